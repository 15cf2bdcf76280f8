// What the operator draws on a picture: points, a box or a mask, by mouse, finger or arrow keys.
//
// As soon as something is begun, the picture stays until it is sent: all of it is for the image that was seen.

import { maskOfPixels } from './picture.js';

const DRAG = 6; // pixels of the screen from which on a click is a box
const STEP = 0.01; // of the picture, by which an arrow key moves the cross; with Shift five times as far

export class Sketch extends EventTarget {
  picture = null; // on which it is drawn; null: nothing is begun
  points = [];
  box = null;
  paint = null; // canvas of the size of the image
  cross = null;
  tool = 'point';
  negative = false; // by the button; right click and Alt turn it around for one click
  collect = false; // by the button; Shift does the same while it is held
  brushWidth = 20; // pixels of the screen
  #canvas;
  #shown;
  #begin = null; // where the pointer went down
  #corner = null; // first corner of a box by keyboard
  #shift = false;

  // `shown` gives the picture that is on the screen.
  constructor(canvas, shown) {
    super();
    this.#canvas = canvas;
    this.#shown = shown;
    canvas.addEventListener('pointerdown', (event) => this.#down(event));
    canvas.addEventListener('pointermove', (event) => this.#move(event));
    canvas.addEventListener('pointerup', (event) => this.#up(event));
    canvas.addEventListener('pointercancel', (event) => this.#interrupted(event));
    canvas.addEventListener('contextmenu', (event) => event.preventDefault());
    canvas.addEventListener('keydown', (event) => this.#key(event));
    canvas.addEventListener('blur', () => { this.cross = null; this.#changed(); });
    addEventListener('keyup', (event) => { if (event.key === 'Shift' && this.#shift) this.#shiftUp(); });
  }

  get empty() {
    return !this.points.length && !this.box && !this.paint;
  }

  // Send what was drawn.
  send() {
    if (this.empty) return;
    const { picture, points, box, paint } = this;
    const mask = paint && maskOfPixels(painted(paint), picture.width, picture.height);
    this.cancel();
    if (points.length || box || mask) {
      this.dispatchEvent(new CustomEvent('prompt', { detail: { picture, points, box, mask, paint } }));
    }
  }

  // Take back what was to be sent, unless something else has been begun.
  restore({ picture, points, box, paint }) {
    if (!this.empty || this.#begin) return;
    Object.assign(this, { picture, points, box, paint });
    this.#changed();
  }

  cancel() {
    this.picture = this.box = this.paint = this.#begin = this.#corner = null;
    this.points = [];
    this.#shift = false;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }

  #place(event) {
    const shown = this.#canvas.getBoundingClientRect();
    const { width, height } = this.picture;
    const x = ((event.clientX - shown.left) / shown.width) * width;
    const y = ((event.clientY - shown.top) / shown.height) * height;
    return [Math.min(Math.max(x, 0), width), Math.min(Math.max(y, 0), height)];
  }

  #down(event) {
    if (!this.#shown() || this.#begin || event.button > 2 || event.button === 1) return;
    event.preventDefault();
    this.#canvas.focus({ preventScroll: true });
    this.#canvas.setPointerCapture(event.pointerId);
    this.cross = null;
    this.picture ??= this.#shown();
    this.#begin = {
      pointer: event.pointerId, at: this.#place(event), screen: [event.clientX, event.clientY],
      negative: this.#isNegative(event), box: this.box, paint: this.paint,
    };
    if (this.tool !== 'brush') return;
    this.paint = copyOf(this.paint, this.picture);
    this.#brush(this.#begin.at);
  }

  // The browser takes the gesture over, as it does to zoom by two fingers. What was drawn before it stays.
  #interrupted(event) {
    if (event.pointerId !== this.#begin?.pointer) return;
    const { box, paint } = this.#begin;
    Object.assign(this, { box, paint });
    this.#begin = null;
    if (this.empty) this.cancel();
    else this.#changed();
  }

  #isNegative(event) {
    return this.negative !== (event.button === 2 || event.altKey);
  }

  #move(event) {
    if (event.pointerId !== this.#begin?.pointer) return;
    const at = this.#place(event);
    if (this.tool === 'brush') return this.#brush(at);
    const [x, y] = this.#begin.screen;
    if (Math.hypot(event.clientX - x, event.clientY - y) >= DRAG) {
      this.box = boxOf(this.#begin.at, at, this.picture);
      this.#changed();
    } else if (this.box !== this.#begin.box) {
      this.box = this.#begin.box;
      this.#changed();
    }
  }

  #up(event) {
    if (event.pointerId !== this.#begin?.pointer) return;
    const { at, negative, box } = this.#begin;
    if (this.tool !== 'brush' && this.box === box) this.#addPoint(at, negative);
    this.#begin = null;
    this.#finish(event);
  }

  #addPoint([x, y], negative) {
    const { width, height } = this.picture;
    this.points.push([Math.min(Math.floor(x), width - 1), Math.min(Math.floor(y), height - 1), negative ? 0 : 1]);
  }

  // A step of the drawing is done: send it, unless more is to come.
  #finish(event) {
    this.#shift = event.shiftKey;
    if (this.collect || this.#shift) this.#changed();
    else this.send();
  }

  #shiftUp() {
    this.#shift = false;
    if (!this.#begin && !this.collect) this.send();
  }

  #brush(at) {
    const context = this.paint.getContext('2d');
    context.globalCompositeOperation = this.#begin.negative ? 'destination-out' : 'source-over';
    context.strokeStyle = '#fff';
    context.lineCap = 'round';
    context.lineWidth = (this.brushWidth * this.picture.width) / this.#canvas.getBoundingClientRect().width;
    context.beginPath();
    context.moveTo(...(this.#begin.last ?? at));
    context.lineTo(at[0] + 0.01, at[1]);
    context.stroke();
    this.#begin.last = at;
    this.#changed();
  }

  #key(event) {
    const picture = this.picture ?? this.#shown();
    if (!picture || event.ctrlKey || event.metaKey) return;
    const step = STEP * Math.max(picture.width, picture.height) * (event.shiftKey ? 5 : 1);
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) {
      const [x, y] = this.cross ?? [picture.width / 2, picture.height / 2];
      const [dx, dy] = moves[event.key];
      this.cross = [Math.min(Math.max(x + dx, 0), picture.width - 1), Math.min(Math.max(y + dy, 0), picture.height - 1)];
    } else if (this.cross && !event.repeat && ['Enter', '+', '-', 'x', 'X'].includes(event.key)) {
      this.picture = picture;
      if (event.key === 'x' || event.key === 'X') {
        if (!this.#corner) {
          this.#corner = this.cross;
          this.box = boxOf(this.#corner, this.cross, picture);
          event.preventDefault();
          return this.#changed();
        }
        this.box = boxOf(this.#corner, this.cross, picture);
        this.#corner = null;
      } else {
        this.#addPoint(this.cross, event.key === '-');
      }
      this.#finish({ shiftKey: false });
    } else {
      return;
    }
    if (this.#corner) this.box = boxOf(this.#corner, this.cross, picture);
    event.preventDefault();
    event.stopPropagation();
    this.#changed();
  }
}

// Half-open, along the edges of pixels.
function boxOf([x0, y0], [x1, y1], { width, height }) {
  const [left, top] = [Math.min(Math.floor(Math.min(x0, x1)), width - 1), Math.min(Math.floor(Math.min(y0, y1)), height - 1)];
  return [left, top, Math.max(Math.ceil(Math.max(x0, x1)), left + 1), Math.max(Math.ceil(Math.max(y0, y1)), top + 1)];
}

function copyOf(paint, { width, height }) {
  const copy = new OffscreenCanvas(width, height);
  const context = copy.getContext('2d', { willReadFrequently: true });
  if (paint) context.drawImage(paint, 0, 0);
  return copy;
}

function painted(canvas) {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint8Array(canvas.width * canvas.height);
  for (let at = 0; at < pixels.length; at++) pixels[at] = data[4 * at + 3] > 127 ? 1 : 0;
  return pixels;
}
