// The WebSocket to the node: unpacks messages, numbers commands, and connects again after a break.

const LONGEST_PAUSE = 5000; // milliseconds between two tries
const FULL = 1013; // the code that says: as many pages as are allowed are open

const reader = new TextDecoder();

export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(reader.decode(new Uint8Array(buffer, 4, length)));
  const part = ([begin, size]) => buffer.slice(4 + length + begin, 4 + length + begin + size);
  return { head, part };
}

export class Connection extends EventTarget {
  #socket = null;
  #number = 0;
  #open = new Map(); // number of a command -> what waits for its answer
  #pause = 250;

  constructor() {
    super();
    // A page that was left may be kept by the browser, to go back to. It must not take the place of another one.
    addEventListener('pagehide', () => this.#socket?.close());
  }

  open() {
    let opened = false;
    const address = new URL('ws', location.href);
    address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(address);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event) => this.#take(unpack(event.data));
    socket.onopen = () => { opened = true; };
    socket.onclose = (event) => this.#lost(event, opened);
    this.#socket = socket;
  }

  say(entries) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(entries));
  }

  // Resolves to the answer. Without a connection the answer says so.
  ask(entries) {
    const number = ++this.#number;
    return new Promise((resolve) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) return resolve(refusal('there is no connection to the node'));
      this.#open.set(number, resolve);
      this.#socket.send(JSON.stringify({ ...entries, number }));
    });
  }

  #take(message) {
    const { kind, number } = message.head;
    if (kind === 'hello') this.#pause = 250;
    if (kind === 'answer' && this.#open.has(number)) {
      this.#open.get(number)(message);
      this.#open.delete(number);
    } else {
      this.dispatchEvent(new CustomEvent(kind, { detail: message }));
    }
  }

  async #lost(event, opened) {
    for (const resolve of this.#open.values()) resolve(refusal('the connection broke before the answer came'));
    this.#open.clear();
    this.dispatchEvent(new CustomEvent('lost', { detail: event.reason || (opened ? '' : await whyRefused()) }));
    const pause = event.code === FULL ? LONGEST_PAUSE : this.#pause;
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    setTimeout(() => this.open(), pause);
  }
}

// Browsers do not tell why a WebSocket was refused; asked for the page itself, the node says it. Empty: it is silent.
async function whyRefused() {
  try {
    const answer = await fetch(location.pathname, { signal: AbortSignal.timeout(LONGEST_PAUSE) });
    return answer.ok ? '' : (await answer.text()).trim();
  } catch {
    return '';
  }
}

// The answer to what the node never got, or never answered.
function refusal(reason) {
  return { head: { success: false, unheard: true, reason, objects: [] }, part: () => new ArrayBuffer(0) };
}
