// From what was drawn to commands for the node, and back again: which object a prompt is for, and undo.

import { maskOf, objectAt, readObject } from './picture.js';

const MOST_UNDONE = 50; // prompts that can be undone, newest first
const LARGEST_MESSAGE = 60000; // characters; the node takes a little more

export class Prompts extends EventTarget {
  #connection;
  #done = []; // accepted prompts of this page: { camera, stamp, object, before, isNew }

  constructor(connection) {
    super();
    this.#connection = connection;
  }

  canUndo(camera) {
    return this.#done.some((entry) => entry.camera === camera);
  }

  // The object that a prompt is for: the selected one, else the one that the first point lies on, else a new one (null).
  targetOf({ picture, points, box, mask }, selected) {
    const known = picture.objects.find((object) => object.id === selected);
    if (known || selected) return known ?? { id: selected };
    const first = points[0];
    return first && !box && !mask ? objectAt(picture, first[0], first[1]) : null;
  }

  async send(drawn, { camera, selected, name, className }) {
    const { picture, points, box, mask } = drawn;
    const target = this.targetOf(drawn, selected) ?? picture.objects.find((object) => name && object.id === name) ?? null;
    if (mask && (points.length || box)) return this.#say('A painted mask stands alone: send points and boxes without it.');
    if (!target && !box && !mask && points.every(([, , label]) => !label)) {
      return this.#say('Select the object that this is not a part of, or click on its mask.');
    }
    const command = {
      do: 'prompt', camera, stamp: picture.stamp, object: target?.id ?? name, class: target ? '' : className,
      points, box, mask, extend: points.length > 0 && !box,
    };
    if (JSON.stringify(command).length > LARGEST_MESSAGE) return this.#say('The painted mask has too many edges to be sent; paint with a wider brush.');
    const answer = await this.#ask(command, target ? `correct ${target.id}` : 'prompt', picture);
    if (answer.success) {
      this.#remember({ camera, stamp: picture.stamp, object: answer.object, before: maskOf(target), isNew: !target });
    }
    return answer;
  }

  // `picture`: the one on the screen, here and in `undo`; what changes is shown on it, too.
  async remove(camera, picture, object) {
    const answer = await this.#ask({ do: 'remove', camera, object }, `remove ${object}`);
    if (answer.success) {
      drop(picture, object);
      this.#keep((entry) => entry.camera !== camera || entry.object !== object);
    }
    return answer;
  }

  async reset(camera) {
    const answer = await this.#ask({ do: 'reset', camera }, 'forget all objects');
    if (answer.success) this.#keep((entry) => entry.camera !== camera);
    return answer;
  }

  // All cameras have other numbers now.
  forget() {
    this.#keep(() => false);
  }

  // Begin the object anew under another name, from its mask on this picture.
  async rename(camera, picture, old, name, className) {
    const object = picture.objects.find((one) => one.id === old);
    if (name !== old && picture.objects.some((one) => one.id === name)) return this.#say(`There is a ${name} already.`);
    const mask = maskOf(object);
    if (!mask) return this.#say(`${old} cannot be seen in this picture: an object is renamed where its mask is known.`);
    const command = { do: name === old ? 'prompt' : 'rename', camera, stamp: picture.stamp, object: name, class: className, mask };
    const answer = await this.#ask(name === old ? command : { ...command, old }, `rename ${old}`, picture);
    if (answer.success) {
      for (const entry of this.#done) if (entry.camera === camera && entry.object === old) entry.object = name;
    }
    return answer;
  }

  // Undo the last prompt for this camera. A new object is removed; another gets back the mask that it had on the
  // prompted picture.
  async undo(camera, picture) {
    const entry = this.#done.findLast((one) => one.camera === camera);
    if (!entry) return;
    this.#keep((one) => one !== entry);
    const { stamp, object, before, isNew } = entry;
    if (!isNew && !before) {
      this.#say(`${object} could not be seen in that picture, so there is no mask to go back to: correct or remove it.`);
      return;
    }
    const command = isNew ? { do: 'remove', camera, object } : { do: 'prompt', camera, stamp, object, mask: before };
    const answer = await this.#ask(command, `undo the prompt for ${object}`, picture.stamp === stamp ? picture : null);
    if (answer.success && isNew) drop(picture, object);
    if (answer.unheard) this.#remember(entry);
  }

  #keep(condition) {
    this.#done = this.#done.filter(condition);
    this.dispatchEvent(new Event('change'));
  }

  #remember(entry) {
    this.#done.push(entry);
    this.#done.splice(0, this.#done.length - MOST_UNDONE);
    this.dispatchEvent(new Event('change'));
  }

  async #ask(command, what, picture) {
    const { head, part } = await this.#connection.ask(command);
    if (!head.success) this.#say(`Not done (${what}): ${head.reason}`);
    else if (head.reason) this.#say(`Done (${what}), but look: ${head.reason}`, 'warning');
    else this.#say(`Done: ${what}${head.object && !what.includes(head.object) ? ` (${head.object})` : ''}.`, 'done');
    if (head.success && head.objects.length) this.dispatchEvent(new CustomEvent('applied', { detail: { ...head, camera: command.camera } }));
    if (head.success && picture && head.objects.length) replace(picture, readObject(head.objects[0], part), command.old);
    return head;
  }

  #say(text, kind = 'refused') {
    this.dispatchEvent(new CustomEvent('message', { detail: { text, kind } }));
    return { success: false, unheard: true };
  }
}

// The object as it is after the prompt, in the picture that was prompted: it may stay on the screen.
function replace(picture, object, old) {
  const at = picture.objects.findIndex((one) => one.id === (old ?? object.id));
  if (at < 0) picture.objects.push(object);
  else picture.objects[at] = object;
}

function drop(picture, object) {
  picture.objects = picture.objects.filter((one) => one.id !== object);
}
