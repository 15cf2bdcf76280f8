// What the browser keeps for the next visit. One that keeps nothing is no error: it holds until the page is left.

const PREFIX = 'sam2_ros.'; // other programs may be served at the same address at other times

export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch { /* it is not kept */ }
}
