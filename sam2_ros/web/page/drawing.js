// Draws a picture with its objects and what the operator is drawing.

import { edgeOf, tintOf, whyAllIsHidden } from './picture.js';

const FILL = 0.35; // opacity of the masks
const BLOCKS = 20; // pixelated: blocks along the longer side of the picture
const MARGIN = 0.015; // of the height of the picture, by which hidden objects are hidden beyond their masks
const [work, small, masks] = [1, 2, 3].map(() => new OffscreenCanvas(1, 1)); // used again for every picture
const STATE_SIGNS = { visible: '●', occluded: '◐', lost: '○', catching_up: '↻' };

export function signOf(state) {
  return STATE_SIGNS[state] ?? '?';
}

// Fits the canvas into its frame, with as many pixels as the screen has.
export function fit(canvas, picture, { width, height }) {
  const scale = Math.min(width / picture.width, height / picture.height);
  const shown = [Math.max(1, Math.round(picture.width * scale)), Math.max(1, Math.round(picture.height * scale))];
  const pixels = shown.map((length) => Math.round(length * devicePixelRatio));
  canvas.style.width = `${shown[0]}px`;
  canvas.style.height = `${shown[1]}px`;
  if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
}

export function draw(canvas, picture, { settings, selected, sketch }) {
  const context = canvas.getContext('2d');
  const scale = canvas.width / picture.width;
  const seen = picture.objects.filter((object) => object.pixels);
  const covering = settings.hide ? cover(picture, canvas, settings) : null;
  context.drawImage(picture.bitmap, 0, 0, canvas.width, canvas.height);
  if (covering) context.drawImage(covering, 0, 0);
  for (const object of seen) {
    if (settings.fill) place(context, tintOf(object), object.box, scale, FILL);
    if (settings.outline) outline(context, object, scale, object.id === selected ? 3 : 2);
  }
  if (settings.plates) plates(context, picture.objects, scale, selected);
  drawSketch(context, sketch, scale);
}

function place(context, image, [left, top, right, bottom], scale, opacity = 1) {
  context.globalAlpha = opacity;
  context.drawImage(image, left * scale, top * scale, (right - left) * scale, (bottom - top) * scale);
  context.globalAlpha = 1;
}

// What lies over the part of the picture that must not be recognised. With a mask missing that is all of it.
function cover(picture, { width, height }, { hide, effect }) {
  const context = cleared(work, width, height);
  if (effect === 'grey') {
    context.fillStyle = '#808080';
    context.fillRect(0, 0, width, height);
  } else {
    // reduced, then enlarged: nothing of what is in between can be brought back
    const factor = BLOCKS / Math.max(width, height);
    const reduced = cleared(small, Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor)));
    reduced.imageSmoothingQuality = 'high';
    reduced.drawImage(picture.bitmap, 0, 0, small.width, small.height);
    context.imageSmoothingEnabled = effect === 'blur';
    context.imageSmoothingQuality = 'high';
    context.drawImage(small, 0, 0, width, height);
  }
  if (hide === 'objects' && whyAllIsHidden(picture)) return work;
  context.globalCompositeOperation = hide === 'objects' ? 'destination-in' : 'destination-out';
  context.drawImage(stencil(picture, width, height, hide === 'objects' ? MARGIN * height : 0), 0, 0);
  return work;
}

// The masks of all objects, wider by `margin` pixels of the screen.
function stencil(picture, width, height, margin) {
  const context = cleared(masks, width, height);
  const scale = width / picture.width;
  context.imageSmoothingEnabled = false;
  context.lineJoin = context.lineCap = 'round';
  for (const object of picture.objects.filter(({ pixels }) => pixels)) {
    place(context, tintOf(object), object.box, scale);
    if (margin) strokeEdge(context, object, scale, 2 * margin);
  }
  return masks;
}

function cleared(canvas, width, height) {
  [canvas.width, canvas.height] = [width, height];
  return canvas.getContext('2d');
}

function outline(context, object, scale, thickness) {
  context.lineCap = 'square';
  // a dark rim keeps the colour apart from a picture of the same colour
  for (const [colour, width] of [['rgb(0 0 0 / 65%)', thickness + 2], [`rgb(${object.colour.join(' ')})`, thickness]]) {
    context.strokeStyle = colour;
    strokeEdge(context, object, scale, width * devicePixelRatio);
  }
}

// `width` in pixels of the screen.
function strokeEdge(context, object, scale, width) {
  context.save();
  context.scale(scale, scale);
  context.lineWidth = width / scale;
  context.stroke(edgeOf(object));
  context.restore();
}

// Number, name and state beside each object: colour alone says nothing.
function plates(context, objects, scale, selected) {
  const size = 13 * devicePixelRatio;
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  let row = 0;
  for (const object of objects) {
    const text = `${object.label} ${object.id} ${signOf(object.state)}`;
    const width = context.measureText(text).width + 1.2 * size;
    const height = 1.6 * size;
    let [x, y] = [0.5 * size, 0.5 * size + row * 1.2 * height];
    if (object.box) {
      x = Math.min(Math.max(0, object.box[0] * scale), context.canvas.width - width);
      y = object.box[1] * scale - height - 4 * devicePixelRatio;
      if (y < 0) y = Math.min(object.box[3] * scale + 4 * devicePixelRatio, context.canvas.height - height);
    } else {
      row++;
    }
    context.fillStyle = object.id === selected ? 'rgb(0 0 0 / 90%)' : 'rgb(0 0 0 / 62%)';
    context.beginPath();
    context.roundRect(x, y, width, height, 0.35 * size);
    context.fill();
    context.fillStyle = `rgb(${object.colour.join(' ')})`;
    context.fillRect(x, y + 0.25 * height, 0.25 * size, 0.5 * height);
    context.fillStyle = '#fff';
    context.fillText(text, x + 0.6 * size, y + height / 2);
  }
}

// What is being drawn: points, a box, a painted mask, and the cross that the arrow keys move.
function drawSketch(context, sketch, scale) {
  const unit = devicePixelRatio;
  if (sketch.paint) {
    context.globalAlpha = 0.55;
    context.drawImage(sketch.paint, 0, 0, context.canvas.width, context.canvas.height);
    context.globalAlpha = 1;
  }
  if (sketch.box) {
    const [left, top, right, bottom] = sketch.box.map((edge) => edge * scale);
    for (const [colour, dash] of [['#000', []], ['#fff', [6 * unit, 4 * unit]]]) {
      context.lineWidth = 2 * unit;
      context.strokeStyle = colour;
      context.setLineDash(dash);
      context.strokeRect(left, top, right - left, bottom - top);
    }
    context.setLineDash([]);
  }
  for (const [x, y, label] of sketch.points) mark(context, x * scale, y * scale, label, unit);
  if (sketch.cross) {
    const [x, y] = sketch.cross.map((place) => place * scale);
    for (const [colour, width] of [['#000', 4], ['#fff', 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * unit;
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 4 * dx * unit, y + 4 * dy * unit);
        context.lineTo(x + 16 * dx * unit, y + 16 * dy * unit);
      }
      context.stroke();
    }
  }
}

function mark(context, x, y, label, unit) {
  context.beginPath();
  context.arc(x, y, 8 * unit, 0, 2 * Math.PI);
  context.fillStyle = label ? '#0b7a3b' : '#b3261e';
  context.fill();
  context.lineWidth = 2 * unit;
  context.strokeStyle = '#fff';
  context.moveTo(x - 4 * unit, y);
  context.lineTo(x + 4 * unit, y);
  if (label) {
    context.moveTo(x, y - 4 * unit);
    context.lineTo(x, y + 4 * unit);
  }
  context.stroke();
}
