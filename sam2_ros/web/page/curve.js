// How surely each object was hidden in the last 30 seconds, and what was remembered of it.

const SECONDS = 30;
const MOST = 3600; // images kept of an object, also if their stamps stand still
const LONGEST_STEP = 5; // seconds between two images that are still joined by a line

export class History {
  #curves = new Map(); // object -> [[seconds, occlusion, event], ...]
  newest = 0;

  clear() {
    this.#curves.clear();
    this.newest = 0;
  }

  add(frames) {
    for (const [seconds, objects] of frames) {
      if (seconds < this.newest) this.clear(); // time has jumped back
      this.newest = seconds;
      for (const [id, [occlusion, event]] of Object.entries(objects)) {
        if (!this.#curves.has(id)) this.#curves.set(id, []);
        this.#curves.get(id).push([seconds, occlusion, event]);
      }
    }
    for (const [id, curve] of this.#curves) {
      const begin = curve.findIndex(([seconds]) => seconds >= this.newest - SECONDS);
      if (begin < 0) this.#curves.delete(id);
      else curve.splice(0, Math.max(begin, curve.length - MOST));
    }
  }

  // A prompt on a past image: the tracker tells of it in its answer, not in what it says of newer images.
  prompted(id, seconds, occlusion) {
    const curve = this.of(id);
    curve.push([seconds, occlusion, 'prompt']);
    curve.sort(([one], [other]) => one - other);
    this.#curves.set(id, curve);
  }

  of(id) {
    return this.#curves.get(id) ?? [];
  }
}

export function drawCurve(canvas, curve, newest, colours) {
  const unit = devicePixelRatio;
  const [width, height] = [Math.round(canvas.clientWidth * unit), Math.round(canvas.clientHeight * unit)];
  if (!width) return;
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d');
  const [top, bottom] = [9 * unit, height - 5 * unit];
  const x = (seconds) => width - 3 * unit - ((newest - seconds) / SECONDS) * (width - 6 * unit);
  const y = (occlusion) => bottom - occlusion * (bottom - top);
  context.clearRect(0, 0, width, height);
  context.strokeStyle = colours.line;
  context.lineWidth = unit;
  context.setLineDash([3 * unit, 3 * unit]);
  context.beginPath();
  context.moveTo(0, y(0.5));
  context.lineTo(width, y(0.5));
  context.stroke();
  context.setLineDash([]);
  context.strokeStyle = colours.text;
  context.lineWidth = 1.5 * unit;
  context.beginPath();
  curve.forEach(([seconds, occlusion], number) => {
    const gap = number && seconds - curve[number - 1][0] > LONGEST_STEP;
    context[number && !gap ? 'lineTo' : 'moveTo'](x(seconds), y(occlusion));
  });
  context.stroke();
  for (const [seconds, , event] of curve) drawEvent(context, event, x(seconds), height, unit, colours);
}

function drawEvent(context, event, x, height, unit, colours) {
  const size = 4 * unit;
  context.fillStyle = colours.accent;
  context.beginPath();
  if (event === 'recent') context.rect(x, height - 3 * unit, unit, 3 * unit);
  if (event === 'anchor') {
    context.moveTo(x - size, 2 * size);
    context.lineTo(x + size, 2 * size);
    context.lineTo(x, 0);
  }
  if (event === 'prompt') {
    context.fillStyle = colours.text;
    context.moveTo(x, 0);
    context.lineTo(x + size, size);
    context.lineTo(x, 2 * size);
    context.lineTo(x - size, size);
  }
  context.fill();
}
