// Elements without markup: what comes from a topic is text, never HTML.

// h('button', {class: 'primary', onclick: ask, 'aria-label': 'Ask'}, 'Ask')
// ``key`` says what the element is about: see fill.
export function h(tag, given = {}, ...children) {
  const svg = SVG.has(tag);
  const made = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on') || ['key', 'value'].includes(name)) made[name] = value;
    else if (name === 'style') for (const [key, to] of Object.entries(value)) made.style.setProperty(key, to);
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.given = given;
  made.append(...there(children));
  return made;
}

const there = (children) => children.flat().filter((child) => child !== null && child !== undefined);

const SVG = new Set(['svg', 'rect', 'text', 'path', 'line', 'circle', 'g', 'title']);

export const find = (id) => document.getElementById(id);

// Show these children. What was shown before and is still wanted stays the same element: views are
// drawn several times a second, and what has the focus, is being pressed or stands open must stay so.
export function fill(node, ...children) {
  const left = new Set(node.childNodes);
  const kept = there(children).map((child) => {
    const wanted = child instanceof Node ? child : document.createTextNode(child);
    const same = [...left].find((old) => isSame(old, wanted));
    left.delete(same);
    return same ? become(same, wanted) : wanted;
  });
  left.forEach((old) => old.remove());
  kept.forEach((child, index) => {
    const at = node.childNodes[index] ?? null;
    if (at !== child) node.insertBefore(child, at);
  });
}

const FIELDS = ['INPUT', 'SELECT', 'TEXTAREA'];  // shown anew: they hold more than their attributes

// A button that says something else does something else: it is another one, unless its key is the same.
function isSame(old, wanted) {
  if (old === wanted) return true;
  if (old.nodeName !== wanted.nodeName || FIELDS.includes(old.nodeName)) return false;
  if (old.id !== wanted.id || old.key !== wanted.key) return false;
  return old.nodeName !== 'BUTTON' || old.key !== undefined || old.textContent === wanted.textContent;
}

function become(old, wanted) {
  if (old === wanted) return old;
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return old;
  }
  for (const name of old.getAttributeNames()) {
    if (name !== 'open' && !wanted.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const name of wanted.getAttributeNames()) {
    if (name === 'style') old.style.cssText = wanted.style.cssText;  // the policy allows no other way
    else if (old.getAttribute(name) !== wanted.getAttribute(name)) old.setAttribute(name, wanted.getAttribute(name));
  }
  for (const name of Object.keys({...old.given, ...wanted.given})) {
    if (name.startsWith('on')) old[name] = wanted.given[name] ?? null;
  }
  old.given = wanted.given;
  fill(old, ...wanted.childNodes);
  return old;
}

export function notice(text, level = 'info') {
  const line = h('p', {class: 'notice', 'data-level': level}, text);
  find('notices').append(line);
  while (find('notices').childElementCount > 3) find('notices').firstElementChild.remove();
  setTimeout(() => line.remove(), 7000);
}

export const percent = (share) => share === null || share === undefined ? '–'
  : `${Math.round(100 * share)} %`;

// When something was: the time, and the day where that is not today.
export function clock(seconds) {
  const at = new Date(1000 * seconds);
  return at.toDateString() === new Date().toDateString() ? at.toLocaleTimeString() : at.toLocaleString();
}

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
