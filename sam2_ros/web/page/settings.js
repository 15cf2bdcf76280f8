// How the picture is shown, as the controls with `data-setting` say. Kept for the next visit: what is hidden stays
// hidden when the page is loaded again.

import { keep, recall } from './kept.js';

export function readSettings(changed) {
  const settings = {};
  for (const control of document.querySelectorAll('[data-setting]')) {
    const { id } = control;
    const part = control.type === 'checkbox' ? 'checked' : 'value';
    const kept = recall(id);
    if (kept !== null) control[part] = kept;
    settings[id] = control[part];
    control.onchange = () => {
      settings[id] = control[part];
      keep(id, settings[id]);
      changed();
    };
  }
  return settings;
}
