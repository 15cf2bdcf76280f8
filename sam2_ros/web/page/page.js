// The operator's page: what is shown, and which button does what.

import { Connection } from './connection.js';
import { History } from './curve.js';
import { draw, fit } from './drawing.js';
import { keep, recall } from './kept.js';
import { ObjectList } from './objects.js';
import { readPicture, whyAllIsHidden } from './picture.js';
import { Prompts } from './prompts.js';
import { readSettings } from './settings.js';
import { Sketch } from './sketch.js';

const LATE = 1; // seconds from which on the age of the picture is said in large letters
const BELIEVABLE = 3600; // seconds; stamps further from the robot's clock are those of a recording
const MOST_MESSAGES = 8;
const SAID = 6000; // milliseconds for which the newest message stands over the picture
const TICK = 250; // milliseconds between two looks at the age

const by = (id) => document.getElementById(id);
const canvas = by('view');
const connection = new Connection();
const history = new History();
const prompts = new Prompts(connection);
const list = new ObjectList(by('objects'));
const sketch = new Sketch(canvas, () => (state.readOnly ? null : shown()));

const state = {
  cameras: [], camera: -1, wanted: null, readOnly: false, lost: 'connecting …', newest: null, frozen: null, selected: null,
  drawn: [], latencies: [], recording: { on: false },
};
const settings = readSettings(redraw);
const decoded = new Set(); // pictures whose bitmaps take memory
let colours = null;

// The picture on the screen: what is drawn on, what is frozen, else the newest.
function shown() {
  return sketch.picture ?? state.frozen ?? state.newest;
}

function render() {
  const picture = shown();
  document.body.classList.toggle('has-picture', Boolean(picture));
  if (picture) {
    const { clientWidth, clientHeight } = by('frame');
    fit(canvas, picture, { width: clientWidth, height: clientHeight });
    canvas.dataset.stamp = picture.stamp;
    draw(canvas, picture, { settings, selected: state.selected, sketch });
  }
  const objects = state.newest?.objects ?? [];
  list.show(objects, { history, selected: state.selected, colours, readOnly: state.readOnly });
  by('count').textContent = objects.length || '';
  by('no-objects').hidden = objects.length > 0;
  by('reset').hidden = state.readOnly || objects.length < 2;
  by('send').disabled = by('cancel').disabled = sketch.empty;
  by('undo').disabled = !prompts.canUndo(state.camera);
  by('freeze').setAttribute('aria-pressed', Boolean(state.frozen));
  by('names').hidden = Boolean(state.selected);
  by('target').textContent = state.selected
    ? `For ${state.selected}. Select it again for a new object.`
    : 'A click on an object corrects it; elsewhere it begins a new one.';
  release();
}

// Bitmaps that cannot be shown any more. The browser would keep them until it happens to tidy up.
function release() {
  for (const picture of decoded) {
    if ([state.newest, state.frozen, sketch.picture].includes(picture)) continue;
    picture.bitmap.close();
    decoded.delete(picture);
  }
}

function redraw() {
  cancelAnimationFrame(state.redraw);
  state.redraw = requestAnimationFrame(render);
}

async function take({ detail }) {
  let picture = null;
  try {
    picture = await readPicture(detail);
  } catch (error) {
    say({ text: `A picture cannot be shown: ${error.message}`, kind: 'refused' });
  }
  requestAnimationFrame(() => {
    if (picture) decoded.add(picture);
    if (picture?.camera === state.camera) { // it may have been on its way when another camera was chosen
      history.add(picture.frames);
      const selectedIn = (one) => one?.objects.some(({ id }) => id === state.selected);
      const gone = selectedIn(state.newest) && !selectedIn(picture) && picture.tracked !== false;
      if (gone) state.selected = null; // else the next prompt would begin it anew
      state.newest = picture;
      state.drawn = [...state.drawn.filter((at) => at > picture.arrived - 3000), picture.arrived];
      if (picture.latency !== null) state.latencies = [...state.latencies, picture.latency].slice(-15);
    }
    render();
    connection.say({ do: 'drawn' });
    tell();
  });
}

function tell() {
  const picture = state.newest;
  const since = picture ? (performance.now() - picture.arrived) / 1000 : 0;
  const known = picture && Math.abs(picture.age) < BELIEVABLE;
  const age = since + (known ? picture.age : 0);
  by('age').textContent = picture ? `${age.toFixed(1)} s` : '–';
  const span = (state.drawn.at(-1) - state.drawn[0]) / 1000;
  by('rate').textContent = state.drawn.length > 1 && since < 2 ? `${((state.drawn.length - 1) / span).toFixed(0)} Hz` : '–';
  const middle = [...state.latencies].sort((a, b) => a - b)[state.latencies.length >> 1];
  by('latency').textContent = known && middle !== undefined ? `${Math.round(1000 * middle)} ms` : '–';
  document.body.classList.toggle('late', age > LATE);
  write('veil', trouble(picture, age));
  write('frozen', frozenFor());
}

// Screen readers say a text again whenever it is set.
function write(id, text) {
  if (by(id).textContent !== text) by(id).textContent = text;
}

function trouble(picture, age) {
  const camera = state.cameras[state.camera];
  if (state.lost) return state.lost;
  if (!camera) return 'No tracker was found yet.';
  if (!camera.alive) return `${camera.name} is gone.`;
  if (!picture) return camera.trouble || 'Waiting for a picture.';
  const hidden = settings.hide === 'objects' && whyAllIsHidden(shown());
  return [
    age > LATE && `The picture is ${Math.floor(age)} s old.`,
    hidden && `All is hidden: ${hidden}.`,
    !hidden && picture.tracked === false && 'The tracker says nothing of this picture.',
  ].filter(Boolean).join(' ');
}

function frozenFor() {
  const held = sketch.picture ?? state.frozen;
  if (!held || !state.newest) return '';
  const ring = state.cameras[state.camera]?.ring_seconds;
  const old = Math.max(0, Number(state.newest.stamp) - Number(held.stamp)) + (performance.now() - state.newest.arrived) / 1000;
  const left = ring - old;
  const rest = !ring ? '' : left > 0 ? `, the tracker keeps it for ${left.toFixed(0)} s more` : ': the tracker has forgotten it, prompts will be refused';
  return `Held for ${old.toFixed(0)} s${rest}`;
}

function say({ text, kind }) {
  const line = document.createElement('li');
  line.className = kind;
  line.textContent = text;
  by('messages').prepend(line);
  while (by('messages').children.length > MOST_MESSAGES) by('messages').lastChild.remove();
  by('said').className = kind;
  by('said').textContent = text;
  clearTimeout(state.saying);
  state.saying = setTimeout(() => by('said').replaceChildren(), SAID);
}

function watch(camera) {
  if (camera === state.camera) return;
  sketch.cancel();
  history.clear();
  Object.assign(state, { camera, newest: null, frozen: null, selected: null, drawn: [], latencies: [] });
  if (camera >= 0) connection.say({ do: 'watch', camera });
  showCameras();
  redraw();
  tell();
}

function choose(camera) {
  state.wanted = state.cameras[camera]?.name ?? state.wanted;
  watch(camera);
}

function greet({ read_only: readOnly, cameras, recording }) {
  Object.assign(state, { readOnly, lost: '' });
  document.body.classList.toggle('read-only', readOnly);
  if (state.cameras.every(({ name }, index) => cameras[index]?.name === name)) {
    history.clear(); // it comes whole again
    if (state.camera >= 0) connection.say({ do: 'watch', camera: state.camera });
  } else { // the node has started anew, and numbers the cameras anew
    prompts.forget();
    state.cameras = [];
    watch(-1);
  }
  setCameras(cameras);
  setRecording(recording);
}

function setCameras(cameras) {
  state.cameras = cameras;
  const wanted = cameras.findIndex(({ name }) => name === state.wanted);
  if (wanted >= 0) watch(wanted);
  else if (state.camera < 0 && cameras.length) watch(Math.max(0, cameras.findIndex(({ alive }) => alive)));
  state.wanted ??= cameras[state.camera]?.name ?? null;
  showCameras();
  tell();
}

// Buttons stay the same elements, so that a click or the focus is not lost.
function showCameras() {
  const row = by('cameras');
  while (row.children.length < state.cameras.length) {
    const index = row.children.length;
    const button = document.createElement('button');
    button.type = 'button';
    button.onclick = () => choose(index);
    row.append(button);
  }
  while (row.children.length > state.cameras.length) row.lastChild.remove();
  row.hidden = state.cameras.length < 2;
  state.cameras.forEach(({ name, alive }, index) => {
    row.children[index].textContent = name.replace(/^\//, '');
    row.children[index].classList.toggle('gone', !alive);
    row.children[index].setAttribute('aria-pressed', index === state.camera);
  });
}

function select(id) {
  state.selected = state.selected === id ? null : id;
  redraw();
}

function freeze() {
  state.frozen = state.frozen ? null : shown();
  redraw();
  tell();
}

async function sendPrompt({ detail }) {
  const names = { name: by('new-name').value.trim(), className: by('new-class').value.trim() };
  const answer = await prompts.send(detail, { camera: state.camera, selected: state.selected, ...names });
  if (answer.success) by('new-name').value = '';
  const laborious = detail.paint || detail.points.length > 1;
  if (answer.unheard && laborious && decoded.has(detail.picture)) sketch.restore(detail);
  redraw();
}

function askForName(id) {
  const picture = shown();
  const object = picture?.objects.find((one) => one.id === id);
  if (!object) return;
  by('rename-name').value = id;
  by('rename-class').value = object.class_name;
  by('renaming').returnValue = '';
  by('renaming').onclose = async () => {
    const name = by('rename-name').value.trim();
    const className = by('rename-class').value.trim();
    if (by('renaming').returnValue !== 'rename' || !name) return;
    const answer = await prompts.rename(state.camera, picture, id, name, className);
    if (answer.success && state.selected === id) state.selected = name;
    redraw();
  };
  by('renaming').showModal();
}

async function undo() {
  if (!shown()) return;
  await prompts.undo(state.camera, shown());
  redraw();
}

async function remove(id) {
  const answer = await prompts.remove(state.camera, shown(), id);
  if (answer.success && state.selected === id) state.selected = null;
  redraw();
}

function setRecording(recording) {
  if (recording.error && recording.error !== state.recording.error) say({ text: `Recording: ${recording.error}`, kind: 'refused' });
  if (!recording.on && state.recording.on && recording.path) say({ text: `Recorded in ${recording.path}.`, kind: 'done' });
  state.recording = recording;
  by('record').setAttribute('aria-pressed', recording.on);
  by('record').lastElementChild.textContent = recording.on ? 'Stop recording' : 'Record';
}

async function record() {
  const { head } = await connection.ask({ do: 'record', camera: Math.max(0, state.camera), on: !state.recording.on });
  if (!head.success) say({ text: `Recording: ${head.reason}`, kind: 'refused' });
}

function setTool(tool) {
  if (tool !== sketch.tool) sketch.cancel();
  sketch.tool = tool;
  for (const button of document.querySelectorAll('[data-tool]')) button.setAttribute('aria-pressed', button.dataset.tool === tool);
  by('brush-size').hidden = tool !== 'brush';
}

function toggle(button, name) {
  sketch[name] = !sketch[name];
  button.setAttribute('aria-pressed', sketch[name]);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  const style = getComputedStyle(document.documentElement);
  colours = Object.fromEntries(['text', 'line', 'accent'].map((name) => [name, style.getPropertyValue(`--${name}`)]));
  redraw();
}

function nextTheme() {
  const dark = document.documentElement.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  const theme = dark === 'dark' ? 'light' : 'dark';
  keep('theme', theme);
  setTheme(theme);
}

const KEYS = {
  ' ': freeze,
  Escape: () => { if (sketch.empty) state.selected = null; sketch.cancel(); },
  Enter: () => sketch.send(),
  Delete: () => state.selected && remove(state.selected),
  r: () => state.selected && askForName(state.selected),
  p: () => setTool('point'),
  b: () => setTool('brush'),
  c: () => choose((state.camera + 1) % Math.max(1, state.cameras.length)),
  '?': () => by('helping').showModal(),
};
const CHANGING = new Set(['Enter', 'Delete', 'r', 'p', 'b']);

function actionOf(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) return key === 'z' && !event.shiftKey && !state.readOnly ? undo : null;
  if (event.altKey || (state.readOnly && CHANGING.has(key))) return null;
  const object = state.newest?.objects.find(({ label }) => String(label) === key);
  return object ? () => select(object.id) : KEYS[key];
}

function onKey(event) {
  const busy = event.target.closest('input, select, dialog') || (event.target.closest('button') && [' ', 'Enter'].includes(event.key));
  const action = busy || document.querySelector('dialog[open]') ? null : actionOf(event);
  if (!action) return;
  event.preventDefault();
  if (event.repeat) return; // of a key that is held
  action();
  redraw();
}

function wire() {
  connection.addEventListener('hello', ({ detail: { head } }) => greet(head));
  connection.addEventListener('cameras', ({ detail: { head } }) => setCameras(head.cameras));
  connection.addEventListener('recording', ({ detail: { head } }) => setRecording(head.recording));
  connection.addEventListener('answer', ({ detail: { head } }) => say({ text: head.reason, kind: 'refused' }));
  connection.addEventListener('picture', take);
  connection.addEventListener('lost', ({ detail }) => { state.lost = detail || 'No connection to the node.'; tell(); });
  prompts.addEventListener('message', ({ detail }) => say(detail));
  prompts.addEventListener('applied', ({ detail: { objects: [object], stamp, camera } }) => {
    if (camera === state.camera) history.prompted(object.id, Number(stamp), object.occlusion);
  });
  prompts.addEventListener('change', redraw);
  sketch.addEventListener('change', () => { redraw(); tell(); });
  sketch.addEventListener('prompt', sendPrompt);
  list.addEventListener('select', ({ detail }) => select(detail));
  list.addEventListener('correct', ({ detail }) => { state.selected = detail; canvas.focus(); redraw(); });
  list.addEventListener('rename', ({ detail }) => askForName(detail));
  list.addEventListener('remove', ({ detail }) => remove(detail));
  for (const button of document.querySelectorAll('[data-tool]')) button.onclick = () => setTool(button.dataset.tool);
  by('brush-width').oninput = (event) => { sketch.brushWidth = Number(event.target.value); };
  by('sign').onclick = () => {
    toggle(by('sign'), 'negative');
    by('sign').textContent = sketch.negative ? '− not part of it' : '+ on the object';
  };
  by('collect').onclick = () => toggle(by('collect'), 'collect');
  by('send').onclick = () => sketch.send();
  by('cancel').onclick = () => sketch.cancel();
  by('undo').onclick = undo;
  by('freeze').onclick = freeze;
  by('record').onclick = record;
  by('theme').onclick = nextTheme;
  by('help').onclick = () => by('helping').showModal();
  by('rename-cancel').onclick = () => by('renaming').close();
  by('reset').onclick = () => prompts.reset(state.camera);
  addEventListener('keydown', onKey);
  new ResizeObserver(redraw).observe(by('frame'));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => setTheme(recall('theme') ?? ''));
  setTheme(recall('theme') ?? '');
  setInterval(tell, TICK);
  connection.open();
}

wire();
