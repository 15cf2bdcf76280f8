// A picture as it is drawn: the image, and for each object its mask, in pixels of the camera's image.

export async function readPicture({ head, part }) {
  const file = new Blob([part(head.file)], { type: head.type });
  // as the tracker does, without turning by EXIF
  const bitmap = await createImageBitmap(file, { imageOrientation: 'none' });
  return { ...head, bitmap, objects: head.objects.map((one) => readObject(one, part)), arrived: performance.now() };
}

export function readObject(entry, part) {
  const { mask, ...facts } = entry;
  const runs = mask?.[1] > 4 ? new Uint32Array(part(mask)) : null; // a single run is all background
  return { ...facts, runs, pixels: runs && pixelsOf(runs, entry.box), tint: null, edge: null };
}

function pixelsOf(runs, [left, top, right, bottom]) {
  const pixels = new Uint8Array((right - left) * (bottom - top));
  let at = 0;
  runs.forEach((length, number) => {
    if (number % 2) pixels.fill(1, at, at + length);
    at += length;
  });
  return pixels;
}

// The mask as a canvas of the size of its box, in the colour of the object; made when first drawn.
export function tintOf(object) {
  if (!object.tint) {
    const [left, top, right, bottom] = object.box;
    object.tint = new OffscreenCanvas(right - left, bottom - top);
    const image = new ImageData(right - left, bottom - top);
    const [red, green, blue] = object.colour;
    const words = new Uint32Array(image.data.buffer);
    const word = new Uint32Array(new Uint8Array([red, green, blue, 255]).buffer)[0];
    object.pixels.forEach((inside, at) => {
      if (inside) words[at] = word;
    });
    object.tint.getContext('2d').putImageData(image, 0, 0);
  }
  return object.tint;
}

// The border of the mask along the edges of its pixels, as a path in pixels of the image; made when first drawn.
export function edgeOf(object) {
  if (!object.edge) {
    const [left, top, right, bottom] = object.box;
    const [width, height] = [right - left, bottom - top];
    const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : object.pixels[y * width + x]);
    object.edge = new Path2D();
    const lines = (across, along, isBorder, point) => {
      for (let i = 0; i <= across; i++) {
        for (let j = 0, begin = -1; j <= along; j++) {
          const border = j < along && isBorder(i, j);
          if (border && begin < 0) begin = j;
          if (!border && begin >= 0) {
            object.edge.moveTo(...point(i, begin));
            object.edge.lineTo(...point(i, j));
            begin = -1;
          }
        }
      }
    };
    lines(height, width, (y, x) => at(x, y) !== at(x, y - 1), (y, x) => [left + x, top + y]);
    lines(width, height, (x, y) => at(x, y) !== at(x - 1, y), (x, y) => [left + x, top + y]);
  }
  return object.edge;
}

export function isInside(object, x, y) {
  if (!object.pixels) return false;
  const [left, top, right, bottom] = object.box;
  if (x < left || y < top || x >= right || y >= bottom) return false;
  return object.pixels[Math.floor(y - top) * (right - left) + Math.floor(x - left)] === 1;
}

// The object under a point: the smallest one, which lies on the others.
export function objectAt(picture, x, y) {
  const under = picture.objects.filter((object) => isInside(object, x, y));
  return under.sort((one, other) => one.area - other.area)[0] ?? null;
}

// Why nothing of a picture can be shown while its objects are to be hidden: one that has no mask may be anywhere. Empty
// if every object has one.
export function whyAllIsHidden({ tracked, objects }) {
  if (tracked === false) return 'the tracker says nothing of this picture';
  if (!objects.length) return 'nothing is tracked';
  const missing = objects.find((object) => !object.pixels);
  return missing ? `${missing.id} is not found` : '';
}

export function maskOf(object) {
  return object?.runs ? { box: object.box, runs: Array.from(object.runs) } : null;
}

// Runs of a painted mask: `pixels` is one byte for each pixel of the image. Null if nothing is painted.
export function maskOfPixels(pixels, width, height) {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let at = pixels.indexOf(1); at >= 0; at = pixels.indexOf(1, at + 1)) {
    const x = at % width;
    const y = Math.floor(at / width);
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
  }
  if (left >= right) return null;
  const runs = [0];
  let value = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      if (pixels[y * width + x] !== value) {
        value = 1 - value;
        runs.push(0);
      }
      runs[runs.length - 1]++;
    }
  }
  return { box: [left, top, right, bottom], runs };
}
