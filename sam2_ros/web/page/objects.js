// The list of objects: one card for each, kept and updated from picture to picture.

import { drawCurve } from './curve.js';
import { signOf } from './drawing.js';

const STATE_WORDS = { visible: 'visible', occluded: 'hidden', lost: 'lost', catching_up: 'catching up' };

export class ObjectList extends EventTarget {
  #list;
  #cards = new Map();

  constructor(list) {
    super();
    this.#list = list;
  }

  show(objects, { history, selected, colours, readOnly }) {
    const ids = new Set(objects.map((object) => object.id));
    for (const [id, card] of this.#cards) {
      if (!ids.has(id)) {
        card.row.remove();
        this.#cards.delete(id);
      }
    }
    for (const object of objects) {
      if (!this.#cards.has(object.id)) this.#cards.set(object.id, this.#card(object.id, readOnly));
      const card = this.#cards.get(object.id);
      this.#update(card, object, selected);
      drawCurve(card.curve, history.of(object.id), history.newest, colours);
    }
  }

  #card(id, readOnly) {
    const row = document.createElement('li');
    const part = (tag, name, parent = row) => {
      const element = document.createElement(tag);
      element.className = name;
      parent.append(element);
      return element;
    };
    const select = part('button', 'select');
    select.type = 'button';
    const card = { row, select };
    card.number = part('b', 'number', select);
    card.name = part('span', 'name', select);
    card.kind = part('span', 'kind', select);
    card.state = part('span', 'state', select);
    card.curve = part('canvas', 'curve');
    card.curve.setAttribute('role', 'img');
    card.curve.title = `${id} in the last 30 s, at the bottom visible, at the top hidden. ▲ anchor, ◆ prompt, | remembered`;
    const buttons = part('div', 'buttons');
    for (const [action, text] of readOnly ? [] : [['correct', 'Correct'], ['rename', 'Rename'], ['remove', 'Remove']]) {
      const button = part('button', `quiet ${action}`, buttons);
      button.type = 'button';
      button.textContent = text;
      button.setAttribute('aria-label', `${text} ${id}`);
      button.onclick = () => this.dispatchEvent(new CustomEvent(action, { detail: id }));
    }
    select.onclick = () => this.dispatchEvent(new CustomEvent('select', { detail: id }));
    this.#list.append(row);
    return card;
  }

  // Names are foreign text: they are only ever set as text.
  #update(card, object, selected) {
    const chosen = object.id === selected;
    card.row.classList.toggle('selected', chosen);
    card.row.dataset.object = object.id;
    card.row.dataset.state = object.state;
    card.select.setAttribute('aria-pressed', chosen);
    card.number.textContent = object.label;
    card.number.style.setProperty('background', `rgb(${object.colour.join(' ')})`);
    card.name.textContent = object.id;
    card.kind.textContent = [object.class_name, object.source === 'detector' ? 'by the detector' : ''].filter(Boolean).join(', ');
    const percent = Math.round(100 * (1 - object.occlusion));
    const word = STATE_WORDS[object.state] ?? object.state;
    card.state.textContent = `${signOf(object.state)} ${word}, seen ${percent} %`;
    card.select.title = `score ${object.score.toFixed(1)}, mask quality ${Math.round(100 * object.iou)} %, ${object.area} pixels`;
  }
}
