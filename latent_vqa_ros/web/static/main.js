// Starts the page: the link, the views, the keys.

import {Ask} from './ask.js';
import {find, isFree, keep, keysAreOn, notice, recall} from './dom.js';
import {Link} from './link.js';
import {Stage} from './stage.js';
import {keyOf} from './story.js';
import {State} from './state.js';
import {Teach} from './teach.js';

const VIEWS = ['look', 'teach', 'state'];
const THEMES = ['auto', 'light', 'dark'];
let view = null;
let hello = null;
let nodeThere = null;
let link = null;

const BY_ITSELF = ['watch', 'list', 'show', 'try'];  // what the page says without being told to

// Say something to the server; tell whoever asked for it where that is not possible.
function send(command) {
  const sent = link?.send(command) ?? false;
  if (!sent && !BY_ITSELF.includes(command.message?.do ?? command.do)) notice('Not connected: nothing was sent.', 'bad');
  return sent;
}

const stage = new Stage(send);
const ask = new Ask(stage, send);
const teach = new Teach(stage, send, (questions) => ask.learn(questions));
const state = new State(send);

// views

function show(name) {
  const allowed = VIEWS.filter((each) => each === 'look' || !hello || hello.can[each]);
  const next = allowed.includes(name) ? name : 'look';
  if (view === 'teach' && next !== 'teach') teach.leave();
  const changed = next !== view;
  view = next;
  for (const each of VIEWS) find(each).hidden = each !== view;
  find('stage').hidden = view === 'state';
  find('desk').dataset.view = view;
  for (const tab of document.querySelectorAll('nav a')) {
    const own = tab.hash.slice(1);
    tab.hidden = !allowed.includes(own) || allowed.length < 2;
    if (own === view) tab.setAttribute('aria-current', 'page');
    else tab.removeAttribute('aria-current');
  }
  if (!changed) return;
  stage.watch();
  if (view === 'teach') teach.enter();
  if (view === 'look') ask.story.draw();
  if (view === 'state') state.drawHealth();
}

window.addEventListener('hashchange', () => show(location.hash.slice(1)));

// what the server tells

const UNTOLD = 3000;  // ms after which a new link has told what there is
const MOST_TOLD = 300;  // details of a camera, as many as the server remembers
const told = new Map();  // camera → which of its details are known
let ahead = 0;  // s that the server's clock is ahead of this one, as the last hello said

// When something was, by this clock: the server's may be wrong, or this one.
const here = (at) => Math.min(at - ahead, Date.now() / 1000);

// Whether a detail came before: on each new link the server tells again what it remembers.
function cameBefore({id, camera, question}, at) {
  const known = told.get(camera) ?? new Set();
  const name = JSON.stringify([at, id, question]);
  if (known.has(name)) return true;
  told.set(camera, known.add(name));
  if (known.size > MOST_TOLD) known.delete(known.values().next().value);
  return false;
}

const TAKE = {
  hello(event) {
    hello = event;
    if (event.page !== 'node') { nodeThere = null; ask.learn([]); state.conditions.clear(); }
    ahead = event.now - Date.now() / 1000;
    stage.know(event.cameras);
    ask.story.severalCameras = event.cameras.length > 1;
    ask.story.standing = new Set((event.standing ?? []).map(([camera, question]) => keyOf(camera, question)));
    ask.know(event);
    state.know(event);
    show(view ?? location.hash.slice(1));
  },
  detail({detail, at}) {
    const tried = String(detail.id ?? '').startsWith('shadow-');  // the server does not tell it again
    if (!tried && cameBefore(detail, at)) return;
    const old = here(at) < opened;
    if (!old) teach.least.onDetail(detail);
    if (tried) teach.shadow.onDetail(detail);
    else ask.onDetail(detail, here(at), old);
  },
  teach({detail}) { ask.onTeach(detail); teach.onTeach(detail); },
  diagnostics({statuses, at}) { state.onDiagnostics(statuses, here(at)); light(); },
  parameters({rows}) { state.onParameters(rows); ask.onParameters(rows); },
  condition(event) {
    if (event.gone) state.dropCondition(event.name);
    else state.onCondition({...event, at: event.at === null ? null : here(event.at)});
  },
  node({there}) {
    nodeThere = there;
    light();
    if (there && view === 'teach') teach.enter();
    else if (there) teach.say({do: 'list'});
  },
  reel(event) { stage.onReel(event); },
  notice({text, id}) { notice(text, 'bad'); ask.onRefused(id, text); },
};

const opened = Date.now() / 1000;
ask.story.goesOn = () => Boolean(link?.isOpen) && nodeThere !== false && !state.silent;
link = new Link({
  event: (event) => TAKE[event.kind]?.(event),
  picture: (head, jpeg) => stage.show(head, jpeg),
  open() { stage.watch(); light(); forgetUntold(stage.reels); forgetUntold(state.conditions); },
  close(why) { if (why) notice(`Disconnected: ${why}.`, 'bad'); light(); },
});

// The server tells what there is on each new link; another one may have less.
function forgetUntold(kept) {
  const old = [...kept];
  setTimeout(() => {
    old.forEach(([name, event]) => { if (kept.get(name) === event) kept.delete(name); });
    stage.list();
  }, UNTOLD);
}

const LIGHTS = {ok: 'all fine', warn: 'look at State', error: 'trouble, see State', stale: 'node is silent', wait: 'waiting for the node'};

function light() {
  const lamp = find('lamp');
  let level = 'bad';
  let text = 'not connected';
  if (link?.isOpen) {
    [level, text] = ['ok', 'ready'];
    if (hello?.page === 'node' || nodeThere !== null) {
      const worst = nodeThere === false ? 'stale' : state.level;
      [level, text] = [worst, LIGHTS[worst]];
    }
  }
  if (lamp.textContent !== text) lamp.textContent = text;
  lamp.dataset.level = level;
}
setInterval(light, 2000);

// keys

const digits = new Set();  // physical keys that are down and were digits then

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') { ask.endCorrecting(); return; }
  if (!keysAreOn() || !isFree(event) || event.repeat) return;
  const number = Number(event.key);
  if (number >= 1 && number <= 9) {
    digits.add(event.code);
    if (view === 'teach') teach.hold(number - 1);
    else if (view === 'look') ask.pick(number - 1);
  } else if (event.key === ' ' && !event.target.closest('button, a, input, summary')) {
    if (stage.play()) event.preventDefault();
  } else if (KEYS[event.key.toLowerCase()]) {
    event.preventDefault();
    KEYS[event.key.toLowerCase()]();
  }
});
// Where digits need Shift, the key that goes up may be another sign than the one that went down.
document.addEventListener('keyup', (event) => {
  if (digits.delete(event.code) || event.key === 'Shift') teach.release();
});
window.addEventListener('blur', () => teach.release());

const KEYS = {
  '/': () => { location.hash = 'look'; show('look'); ask.input.focus(); ask.input.select(); },
  r: () => { if (view === 'look') ask.again(); },
  w: () => { if (view === 'look') ask.wrong(); },
  l: () => { location.hash = 'look'; },
  t: () => { location.hash = 'teach'; },
  s: () => { location.hash = 'state'; },
  '?': () => find('keys').showModal(),
};

find('help').onclick = () => find('keys').showModal();
find('keys-on').checked = keysAreOn();
find('keys-on').onchange = (event) => keep('keys', event.target.checked ? 'on' : 'off');

// light and dark

function dress(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  find('theme').title = `Colours: ${theme}`;
  find('theme').setAttribute('aria-label', `Colours: ${theme}`);
}
find('theme').onclick = () => {
  const next = THEMES[(THEMES.indexOf(recall('theme') ?? 'auto') + 1) % THEMES.length];
  keep('theme', next);
  dress(next);
};
dress(recall('theme') ?? 'auto');
show(location.hash.slice(1));
