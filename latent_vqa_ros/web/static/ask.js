// Ask, read the answer, say that it is wrong.

import {clock, fill, find, h, keep, notice, percent, recall} from './dom.js';
import {Story, keyOf} from './story.js';
import {asWritten, cameraName, nearest, said, taughtSaid} from './words.js';

const SUGGESTIONS = 7;
const AGAIN = 150;  // ms between two questions
const MOST_NEWEST = 300;  // as many as the server remembers
const MOST_MINE = 50;  // questions whose answer is still shown, however late; corrections, too
const TAUGHT = 0.9;  // the confidence that a taught answer needs: CONFIDENCE in teach/judge.py
const PATIENCE = 6000;  // ms until a question without an answer is given up

export class Ask {
  constructor(stage, send) {
    this.stage = stage;
    this.send = send;
    this.known = [];
    this.taught = [];  // questions, as teach/detail lists them
    this.answers = [];
    this.limit = null;
    this.least = -1;  // the node's own min_confidence; -1: none
    this.canTeach = false;
    this.shown = null;
    this.newer = null;  // what came while ``shown`` is being corrected
    this.newest = new Map();  // camera and id → the detail that the node knows by them
    this.mine = new Set();  // ids of questions from here that have no answer yet
    this.awaited = null;  // the id of the last of them, until it is given up
    this.corrections = new Set();  // ids of corrections from here that have no reply yet
    this.picked = -1;
    this.build(find('look'));
    this.story = new Story(this.storyLines, (detail) => this.show(detail));
    this.last = recall('question') ?? '';
    this.input.value = this.last;
  }

  build(panel) {
    this.input = h('input', {id: 'question', type: 'text', autocomplete: 'off', enterkeyhint: 'send',
      maxlength: 1000, placeholder: 'What do you want to know?', role: 'combobox',
      'aria-expanded': 'false', 'aria-controls': 'suggestions', 'aria-autocomplete': 'list',
      oninput: () => this.suggest(), onfocus: () => this.suggest(),
      onkeydown: (event) => this.onKey(event), onblur: () => setTimeout(() => document.activeElement === this.input || this.fold(), 150)});
    this.list = h('ul', {id: 'suggestions', role: 'listbox', 'aria-label': 'Known questions', hidden: true});
    this.card = h('section', {class: 'answer', 'aria-live': 'polite', 'aria-atomic': 'true',
      'aria-label': 'Answer'}, h('p', {class: 'hint'}, 'Ask something, or choose a question.'));
    this.right = h('section', {class: 'right', hidden: true, 'aria-label': 'The right answer'});
    this.storyLines = h('ol', {class: 'story'});
    fill(panel,
      h('form', {class: 'ask', onsubmit: (event) => { event.preventDefault(); this.submit(); }},
        h('label', {for: 'question'}, 'Question'),
        h('div', {class: 'combo'}, this.input,
          h('button', {class: 'primary', type: 'submit'}, 'Ask'), this.list)),
      this.card, this.right,
      h('h2', {}, 'Answers so far'), this.storyLines);
  }

  know(hello) {
    const standing = (hello.standing ?? []).map(([, question]) => question);
    this.known = [...new Set([...standing, ...hello.questions].map(asWritten))];
    this.answers = hello.answers;
    this.limit = hello.limit;
    this.canTeach = hello.can.teach;
  }

  onParameters(rows) {
    this.least = rows.find((row) => row.name === 'min_confidence')?.value ?? -1;
  }

  // Taught questions stand first among the known ones.
  learn(questions) {
    this.taught = questions;
  }

  // One text may be taught for several cameras, and be asked in another wording.
  taughtAnswers({question, camera, model}) {
    const named = this.taught.filter((each) => each.question === question);
    return (this.taught.find((each) => `taught/${each.slug}` === model.name)
      ?? named.find((each) => each.camera === camera) ?? named.find((each) => !each.camera))?.answers ?? [];
  }

  questions() {
    return [...new Set([...this.taught.map((each) => each.question), ...this.known])];
  }

  // suggestions

  suggest() {
    this.offer(nearest(this.input.value, this.questions(), SUGGESTIONS));
  }

  offer(questions) {
    this.picked = -1;
    fill(this.list, questions.map((question, index) => h('li', {
      id: `suggestion-${index}`, role: 'option', 'aria-selected': 'false',
      onpointerdown: (event) => { event.preventDefault(); this.ask(question); }}, question)));
    this.list.hidden = !questions.length || document.activeElement !== this.input;
    this.input.setAttribute('aria-expanded', String(!this.list.hidden));
    this.input.removeAttribute('aria-activedescendant');
  }

  fold() {
    this.list.hidden = true;
    this.input.setAttribute('aria-expanded', 'false');
  }

  onKey(event) {
    if (event.key === 'Escape') { this.fold(); this.input.blur(); }
    if (!['ArrowDown', 'ArrowUp'].includes(event.key)) return;
    event.preventDefault();
    if (this.list.hidden) this.suggest();
    const rows = [...this.list.children];
    if (!rows.length) return;
    const step = event.key === 'ArrowDown' ? 1 : -1;
    this.picked = (this.picked + step + rows.length) % rows.length;
    rows.forEach((row, index) => row.setAttribute('aria-selected', String(index === this.picked)));
    rows[this.picked].scrollIntoView({block: 'nearest'});
    this.input.setAttribute('aria-activedescendant', rows[this.picked].id);
    this.input.value = rows[this.picked].textContent;
  }

  // asking

  submit() {
    this.ask(this.input.value.trim());
  }

  ask(question) {
    if (!question) { this.input.focus(); return; }
    if (question === this.last && performance.now() - this.asked < AGAIN) return;  // a held key
    this.asked = performance.now();
    this.input.value = question;
    this.last = question;
    keep('question', question);
    this.fold();
    const id = newId('page');
    const sent = this.send({do: 'ask', id, question, camera: this.stage.camera});
    if (!sent) return;
    this.card.setAttribute('aria-busy', 'true');
    remember(this.mine, id);
    this.awaited = id;
    clearTimeout(this.patience);
    this.patience = setTimeout(() => this.giveUp(question), PATIENCE);
  }

  again() {
    if (this.last) this.ask(this.last);
  }

  endWaiting() {
    clearTimeout(this.patience);
    this.awaited = null;
    this.card.removeAttribute('aria-busy');
  }

  // Nothing came yet; what comes late is shown all the same.
  giveUp(question, why = 'Nothing came back. Is the node running? See State.') {
    this.endWaiting();
    if (!this.right.hidden) {  // another answer is being corrected
      notice(`No answer to “${question}”. ${why}`, 'bad');
      return;
    }
    this.shown = {question, camera: this.stage.camera ?? '', id: null, image_age_ms: null};
    fill(this.card, h('p', {class: 'asked'}, question), h('p', {class: 'big', 'data-status': 'none'}, 'No answer'),
      h('p', {}, why));
  }

  onRefused(id, why) {
    this.mine.delete(id);
    if (id && id === this.awaited) this.giveUp(this.last, why);
  }

  // answers

  // Take a detail, our own or somebody else's; ``old``: from before this page was opened.
  onDetail(detail, at, old) {
    this.story.add(detail, at);
    this.rememberNewest(detail);
    const own = this.mine.delete(detail.id);
    if (own && detail.id === this.awaited) this.endWaiting();
    const follows = this.shown && this.shown.question === detail.question && this.shown.camera === detail.camera;
    if (follows && !own && !this.right.hidden) this.newer = detail;  // this answer is being corrected
    else if (own || (old && this.right.hidden) || !this.shown || follows) this.show(detail);
    this.story.draw();
  }

  // The node keeps the newest frame of an id; an answer before that can be corrected no more.
  rememberNewest(detail) {
    if (detail.id === null) return;
    const key = nameOf(detail);
    this.newest.delete(key);
    this.newest.set(key, detail);
    if (this.newest.size > MOST_NEWEST) this.newest.delete(this.newest.keys().next().value);
    if (this.right.hidden || nameOf(this.shown) !== key) return;
    this.endCorrecting();
    notice('It was answered anew meanwhile: see whether it is still wrong.', 'warn');
  }

  mayCorrect(detail) {
    // a whole number above 2^53 was rounded by JSON.parse: it may be another answer's id
    const {id} = detail || {};
    return this.canTeach && detail && id !== null && detail.image_age_ms !== null
      && (typeof id !== 'number' || !Number.isInteger(id) || Number.isSafeInteger(id))
      && !this.stage.isUpload(detail.camera) && this.newest.get(nameOf(detail)) === detail;
  }

  show(detail) {
    this.shown = detail;
    this.newer = null;
    this.right.hidden = true;
    const ok = detail.status === 'ok';
    const {title, advice} = said(detail.status);
    fill(this.card,
      h('p', {class: 'asked'}, detail.question),
      h('p', {class: 'big', 'data-status': ok ? 'ok' : 'none'}, ok ? detail.answer : title),
      ok && !detail.reason ? null : h('p', {}, detail.reason ? `${sentence(detail.reason)} ` : '', ok ? '' : advice),
      detail.forced ? h('p', {class: 'warn'}, 'Forced: the judge does not trust this question yet.') : null,
      detail.confidence === null ? null : this.bar(detail),
      detail.top.length > 1 ? this.others(detail) : null,
      h('p', {class: 'meta'}, meta(detail)),
      this.actions(detail));
    if (detail.status === 'unknown_words') this.near(detail.question);
    if (detail.camera === (this.stage.camera ?? '')) this.stage.look(detail.evidence);
  }

  bar(detail) {
    const sure = percent(detail.confidence);
    const text = detail.status === 'ok' ? `${sure} sure` : `guess: ${detail.answer}, ${sure} sure`;
    const limit = detail.model.name.startsWith('taught/') ? Math.max(TAUGHT, this.least) : this.limit;
    return h('div', {class: 'confidence'},
      h('div', {class: 'track', role: 'img',
        'aria-label': limit === null ? text : `${text}; an answer needs ${percent(limit)}`},
      h('span', {class: 'level', 'data-status': detail.status, style: {width: `${100 * detail.confidence}%`}}),
      limit === null ? null : h('span', {class: 'limit', style: {left: `${100 * limit}%`}})),
      h('span', {}, text, limit === null ? '' : h('small', {}, ` needs ${percent(limit)}`)));
  }

  others(detail) {
    const likely = detail.top.slice(1).filter(([, p]) => p >= 0.01);
    return likely.length ? h('p', {class: 'others'}, likely.map(([word, p]) => h('span', {}, `${word} ${percent(p)}`))) : null;
  }

  actions(detail) {
    if (!this.mayCorrect(detail)) return null;
    return h('p', {}, h('button', {type: 'button', class: 'wrong', onclick: () => this.wrong()},
      'Wrong ', h('kbd', {}, 'W')));
  }

  near(question) {
    const here = this.stage.isUpload(this.stage.camera ?? '') ? this.known : this.questions();  // taught ones are the node's
    const near = nearest(question, here, 6).filter((each) => keyOf('', each) !== keyOf('', question)).slice(0, 5);
    if (!near.length) return;
    this.card.append(h('div', {class: 'near'}, h('p', {}, 'Did you mean'), near.map((each) => h(
      'button', {type: 'button', onclick: () => this.ask(each)}, each))));
  }

  // correcting

  wrong() {
    const detail = this.shown;
    if (!this.mayCorrect(detail)) return;
    this.choices = choices(detail, this.taughtAnswers(detail), this.answers);
    const other = h('input', {id: 'other', type: 'text', maxlength: 40, placeholder: 'another answer'});
    fill(this.right, h('p', {}, 'What is right?'),
      h('div', {class: 'choices'}, this.choices.map((answer, index) => h('button',
        {type: 'button', onclick: () => this.correct(answer)}, h('kbd', {}, String(index + 1)), ` ${answer}`))),
      h('form', {class: 'row', onsubmit: (event) => {
        event.preventDefault();
        if (other.value.trim()) this.correct(other.value.trim());
      }}, h('label', {for: 'other', class: 'hint'}, 'Other'), other, h('button', {}, 'Use'),
      h('button', {type: 'button', class: 'quiet', onclick: () => this.endCorrecting()}, 'Cancel')));
    this.right.hidden = false;
    this.right.scrollIntoView({block: 'nearest'});
  }

  pick(index) {
    if (!this.right.hidden && this.choices[index]) this.correct(this.choices[index]);
  }

  correct(answer) {
    const id = newId('correct');
    const {id: about, camera} = this.shown;  // one id may be asked of several cameras
    if (!this.send({do: 'teach', message: {do: 'correct', about, camera, answer, id}})) return;
    remember(this.corrections, id);
    this.endCorrecting();
  }

  endCorrecting() {
    this.right.hidden = true;
    if (this.newer) this.show(this.newer);
  }

  // What became of a correction: said once, to the browser that made it.
  onTeach(detail) {
    if (!this.corrections.delete(detail.id)) return;
    const shots = Object.entries(detail.shots).map(([word, n]) => `${n} × ${word}`).join(', ');
    const text = detail.status === 'ok' || detail.status === 'not_trusted'
      ? `Noted: ${shots}. ${detail.next?.say ? `Next: ${detail.next.say}.` : ''}` : `${taughtSaid(detail.status)}: ${detail.reason}.`;
    notice(text, detail.status === 'ok' || detail.status === 'not_trusted' ? 'ok' : 'bad');
  }
}

const nameOf = ({camera, id}) => JSON.stringify([camera, id]);

const newId = (kind) => `${kind}-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;

function remember(ids, id) {
  ids.add(id);
  if (ids.size > MOST_MINE) ids.delete(ids.values().next().value);
}

// Taught answers come first. Where the model answered, its own follow: those it weighed, then others of their kind.
function choices(detail, taught, all) {
  const near = detail.top.map(([word]) => word);
  const kind = (word) => ['yes', 'no'].includes(word) ? 'yes or no' : /^\d+$/.test(word) ? 'number' : 'word';
  const alike = [...near, ...all].filter((word) => kind(word) === kind(near[0] ?? word));
  const list = detail.model.name.startsWith('taught/') ? [...taught, ...near] : [...taught, ...alike];
  return [...new Set(list)].filter((word) => word !== detail.answer || detail.status !== 'ok').slice(0, 9);
}

function sentence(reason) {
  const text = reason.trim();
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?)]$/.test(text) ? '' : '.'}`;
}

function meta(detail) {
  const total = detail.latency_ms?.total;
  const stamp = detail.stamp ? clock(detail.stamp.sec) : null;
  return [total ? `${total.toFixed(1)} ms` : null,
    detail.image_age_ms > 0 && detail.image_age_ms < 3.6e6 ? `picture ${Math.round(detail.image_age_ms)} ms old` : null,
    stamp && detail.stamp.sec > 1e9 ? stamp : null, cameraName(detail.camera),
    detail.model.name ? `${detail.model.name} ${detail.model.version}` : null]
    .filter(Boolean).join(' · ');
}
