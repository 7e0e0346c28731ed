// Elements without markup: what comes from a topic is text, never HTML.

// h('button', {class: 'primary', onclick: ask, 'aria-label': 'Ask'}, 'Ask')
export function h(tag, given = {}, ...children) {
  const svg = SVG.has(tag);
  const made = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name === 'value') made.value = value;
    else if (name === 'style') for (const [key, to] of Object.entries(value)) made.style.setProperty(key, to);
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = new Set(['svg', 'rect', 'text', 'path', 'line', 'circle', 'g', 'title']);

export const find = (id) => document.getElementById(id);

export const fill = (node, ...children) => {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
};

export function notice(text, level = 'info') {
  const line = h('p', {class: 'notice', 'data-level': level}, text);
  find('notices').append(line);
  while (find('notices').childElementCount > 3) find('notices').firstElementChild.remove();
  setTimeout(() => line.remove(), 7000);
}

export const percent = (share) => share === null || share === undefined ? '–'
  : `${Math.round(100 * share)} %`;

export const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString();

export function lasted(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

// Whether a single key is meant for the page, not for what has the focus.
export function isFree(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return false;
  if (document.querySelector('dialog[open]')) return false;
  const at = event.target;
  if (at.closest('textarea, select')) return false;
  return !(at.closest('input') && !['checkbox', 'range', 'radio'].includes(at.type));
}

export function keysAreOn() {
  return recall('keys') !== 'off';
}

export function recall(name) {
  try { return localStorage.getItem(`page-${name}`); } catch { return null; }
}

export function keep(name, value) {
  try { localStorage.setItem(`page-${name}`, value); } catch { /* a private window */ }
}
