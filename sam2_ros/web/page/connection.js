// The WebSocket to the node: unpacks messages, numbers commands, and connects again after a break.

const LONGEST_PAUSE = 5000; // milliseconds between two tries
const CLOSED_FOR_GOOD = { 1013: true }; // codes after which trying again soon makes no sense

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

  open() {
    const address = new URL('ws', location.href);
    address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(address);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event) => this.#take(unpack(event.data));
    socket.onclose = (event) => this.#lost(event);
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

  #lost(event) {
    for (const resolve of this.#open.values()) resolve(refusal('the connection broke before the answer came'));
    this.#open.clear();
    this.dispatchEvent(new CustomEvent('lost', { detail: event.reason }));
    const pause = CLOSED_FOR_GOOD[event.code] ? LONGEST_PAUSE : this.#pause;
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    setTimeout(() => this.open(), pause);
  }
}

function refusal(reason) {
  return { head: { success: false, reason, objects: [] }, part: () => new ArrayBuffer(0) };
}
