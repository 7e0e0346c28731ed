// Teach a question: name it, show each answer, check what it learnt, switch it on.

import {fill, find, h, keep, notice, recall} from './dom.js';
import {Judge} from './judge.js';
import {Least} from './least.js';
import {Shadow} from './shadow.js';
import {Shots} from './shots.js';
import {taughtSaid} from './words.js';

const MOST_ANSWERS = 9;  // each has a key
const PACE = 400;  // ms from one shot to the next while a key is held
const WHOLE = [0, 0, 1, 1];  // the region that is the whole picture
const ME = `teach-${crypto.getRandomValues(new Uint32Array(1))[0]}`;

export class Teach {
  // onQuestions(questions) is told which questions are taught.
  constructor(stage, send, onQuestions) {
    this.stage = stage;
    this.sendCommand = send;
    this.onQuestions = onQuestions;
    this.questions = [];
    this.answers = [];
    this.detail = null;  // the last teach/detail about this question
    this.count = 0;
    this.turn = 0;  // how many questions were opened
    this.held = null;
    this.dragged = false;  // whether the box shown is this page's, not the node's
    this.shots = new Shots((message) => this.say(message));
    this.least = new Least(stage, (about, answer) => this.say({do: 'correct', about, answer}));
    this.judge = new Judge((message) => this.say(message), (shot) => this.shots.picture(shot));
    this.shots.onPicture = () => this.judge.draw(this.detail);
    this.shadow = new Shadow(`shadow-${ME}`, () => this.tryIt());
    this.build(find('teach'));
  }

  build(panel) {
    this.choice = h('select', {id: 'taught', onchange: () => this.open(this.choice.value)});
    this.name = h('input', {id: 'new-question', type: 'text', maxlength: 256, autocomplete: 'off',
      placeholder: 'Is the tray empty?', onchange: () => this.start(this.name.value.trim())});
    this.word = h('input', {id: 'new-answer', type: 'text', maxlength: 40, autocomplete: 'off',
      placeholder: 'yes', enterkeyhint: 'done'});
    this.keys = h('div', {class: 'answer-keys'});
    this.next = h('p', {class: 'next', role: 'status'});
    this.warnings = h('ul', {class: 'warnings'});
    this.regionText = h('span', {}, 'the whole picture');
    const step = (title, ...children) => h('section', {class: 'step'}, h('h2', {}, title), ...children);
    this.rest = h('div', {class: 'panel', hidden: true},
      step('Show each answer', h('form', {class: 'row', onsubmit: (event) => {
        event.preventDefault(); this.addAnswer();
      }}, h('label', {for: 'new-answer'}, 'Answer'), this.word, h('button', {}, 'Add')),
      this.keys, this.next, this.least.node, this.warnings, this.shots.node),
      step('Check what it learnt', this.judge.node),
      step('Watch it', h('label', {}, this.shadow.box, ' What it would answer now'), this.shadow.text));
    fill(panel,
      step('Question',
        h('div', {class: 'row'}, h('label', {for: 'taught'}, 'Taught'), this.choice,
          h('button', {type: 'button', class: 'quiet', onclick: () => this.forget()}, 'Forget')),
        h('div', {class: 'row'}, h('label', {for: 'new-question'}, 'New'), this.name,
          h('button', {type: 'button', onclick: () => this.start(this.name.value.trim())}, 'Start')),
        h('p', {class: 'hint'}, 'Looks at: ', this.regionText, '. Drag a box on the picture around what matters. ',
          h('button', {type: 'button', class: 'quiet', onclick: () => this.drag(null)}, 'Whole picture'))),
      this.rest);
  }

  // Ask the node what there is; called when the view opens and when the link is back.
  enter() {
    this.least.withdraw();  // the node may have forgotten it meanwhile
    this.stage.letDrag((region) => this.drag(region));
    this.stage.region = this.region ?? null;
    this.stage.look([]);
    this.say({do: 'list'});
    const last = this.question ?? recall('taught');
    if (this.question === undefined) this.recalled = true;
    if (last) this.open(last);
  }

  leave() {
    this.release();
    this.stage.letDrag(null);
    this.stage.region = null;
    this.stage.draw();
  }

  say(message) {
    this.count += 1;
    const about = ['list', 'correct'].includes(message.do) ? undefined : this.question;  // slug or new text
    return this.sendCommand({do: 'teach', message: {...message, question: about,
      id: `${ME}-${this.turn}-${this.count}`}});
  }

  // which question

  start(question) {
    if (!question) return;
    this.recalled = false;
    this.name.value = '';
    this.open(question);
    if (!this.answers.length) this.word.focus();
  }

  // A question that the node knows goes by its slug: one text may be taught for several cameras.
  open(name) {
    if (!name) return;
    const known = this.find(name);
    const question = known?.slug ?? name;
    if (question !== this.question) {
      this.turn += 1;
      this.shadow.clear();
      this.detail = null;
      this.least.withdraw();
      this.answers = [];
      this.shots.clear();
      this.dragged = this.dragged && !known;  // a box that was dragged first is the new question's
      if (!this.dragged) this.setRegion(known ? known.region : null);
    }
    this.question = question;
    keep('taught', question);
    this.rest.hidden = false;
    this.drawChoice();
    this.draw();
    if (known?.camera && known.camera !== this.stage.camera && this.stage.names().includes(known.camera)) this.stage.choose(known.camera);
    if (known) this.say({do: 'show'});
  }

  find(name) {
    const named = this.questions.filter((each) => each.question === name);
    return this.questions.find((each) => each.slug === name)
      ?? named.find((each) => each.camera === this.stage.camera) ?? named.find((each) => !each.camera) ?? named[0];
  }

  drawChoice() {
    const names = [...new Set([...this.questions.map((each) => each.slug),
      ...(this.question ? [this.question] : [])])];
    fill(this.choice, h('option', {value: ''}, names.length ? 'choose …' : 'nothing yet'), names.map((name) => {
      const known = this.find(name);
      const state = known ? (known.broken ? ' (broken)' : known.active ? ' (on)' : '') : ' (new)';
      const text = known?.question || (name === this.detail?.slug ? this.detail.question : name);
      const camera = known?.camera ? ` · ${known.camera}` : '';
      return h('option', {value: name, selected: name === this.question}, text + camera + state);
    }));
    this.choice.value = this.question ?? '';
  }

  setRegion(region) {
    region = sameRegion(region, WHOLE) ? null : region;
    this.region = region;
    this.stage.region = find('teach').hidden ? null : region;
    this.stage.draw();
    this.regionText.textContent = region
      ? `a box of ${Math.round(100 * region[2])} × ${Math.round(100 * region[3])} % of the picture`
      : 'the whole picture';
  }

  // The node keeps a question's region until a shot comes with another one.
  drag(region) {
    this.dragged ||= !sameRegion(region, this.region);
    this.setRegion(region);
  }

  forget() {
    if (!this.question || !window.confirm(`Forget “${this.find(this.question)?.question ?? this.question}” with all its shots?`)) return;
    this.say({do: 'forget'});
    this.close();
  }

  close() {
    keep('taught', '');
    this.question = undefined;
    this.shots.clear();
    this.rest.hidden = true;
  }

  // answers and shots

  addAnswer() {
    const word = this.word.value.trim();
    if (this.answers.length >= MOST_ANSWERS) { notice(`${MOST_ANSWERS} answers at most.`, 'bad'); return; }
    if (word && !this.answers.includes(word)) this.answers.push(word);
    this.word.value = '';
    this.draw();
  }

  shoot(answer) {
    if (!answer || !this.question) return;
    const own = this.find(this.question)?.camera;
    if (own && own !== this.stage.camera) {
      notice(`This question is about the camera ${own}: choose it above the picture.`, 'bad');
      this.release();
      return;
    }
    const camera = this.stage.camera ? {camera: this.stage.camera} : {};
    const region = this.dragged ? {region: (this.region ?? WHOLE).map((share) => Number(share.toFixed(6)))} : {};
    this.say({do: 'add', answer, ...camera, ...region});
  }

  // While a key or a button is held, shots are taken at a pace.
  hold(index) {
    const answer = this.answers[index];  // which may have another key before this one is let go
    if (this.held !== null || !answer) return;
    this.shoot(answer);
    this.held = {answer, timer: setInterval(() => this.shoot(answer), PACE)};
    this.draw();
  }

  release() {
    if (this.held === null) return;
    clearInterval(this.held.timer);
    this.held = null;
    this.draw();
  }

  // what the node says

  onTeach(detail) {
    const own = String(detail.id ?? '').startsWith(`${ME}-`);
    if (detail.do === 'list' && detail.status === 'ok') this.onList(detail.questions);
    if (own && detail.do !== 'try') this.tell(detail);
    if (['forget', 'switch_on', 'switch_off', 'rollback', 'add', 'fit', 'correct'].includes(detail.do)) this.listSoon();
    // The question may be known by another spelling than was typed here.
    const here = own && detail.slug && detail.do !== 'correct' && detail.id.startsWith(`${ME}-${this.turn}-`);
    if (!this.question || !(here || this.isOpen(detail))) return;
    if (here && detail.do === 'add') {
      this.question = detail.slug;
      keep('taught', detail.slug);
    }
    if (detail.do === 'try') {
      if (own) this.shadow.onTrial(detail);
      return;
    }
    if (!detail.answers.length && !detail.next.say) {  // it is not taught
      if (detail.do === 'forget' && detail.status === 'ok') this.onForgotten(detail);
      return;
    }
    this.detail = detail;
    this.answers = [...new Set([...this.answers, ...detail.answers])];
    this.least.offer(detail.next.about);
    if (own && detail.do === 'add' && detail.status === 'ok' && sameRegion(detail.region, this.region)) this.dragged = false;
    if (!this.dragged) this.setRegion(detail.region);
    if (detail.do === 'show') this.shots.take(detail, own);
    else this.shots.refreshSoon();
    this.draw();
  }

  onList(questions) {
    this.questions = questions;
    this.onQuestions(questions);
    if (this.recalled && this.question && !this.detail && !this.find(this.question)) this.close();
    const unasked = this.question && !this.detail && this.find(this.question);
    this.drawChoice();
    if (unasked) this.say({do: 'show'});
  }

  // Say what became of a message of this page, by name where another question is open by now.
  tell(detail) {
    const about = detail.question && !this.isOpen(detail) ? `${detail.question}: ` : '';
    if (detail.status === 'ok') {
      if (DONE[detail.do]) notice(about + DONE[detail.do](detail), 'ok');
      return;
    }
    if (detail.do === 'list' && detail.status !== 'failed') return;  // the lamp says it
    const gone = detail.do === 'show' && detail.status === 'refused' && detail.answers.length
      && !this.find(detail.slug)?.broken;  // a shot, not the question
    if (!gone) notice(`${about}${taughtSaid(detail.status)}: ${detail.reason}`, detail.status === 'not_trusted' ? 'warn' : 'bad');
    if (detail.do === 'correct') this.shots.refreshSoon();  // which may offer another picture
  }

  onForgotten(detail) {
    notice(`“${detail.question}” was forgotten.`, 'warn');
    this.release();
    this.close();
    this.drawChoice();
  }

  isOpen({question, slug}) {
    return Boolean(this.question) && [question, slug].includes(this.question);
  }

  listSoon() {
    clearTimeout(this.listing);
    this.listing = setTimeout(() => this.say({do: 'list'}), 400);
  }

  draw() {
    const detail = this.detail;
    const needed = detail?.needed ?? {shots: 10, moments: 3};
    fill(this.keys, this.answers.map((answer, index) => this.key(answer, index, needed)));
    this.next.textContent = detail?.next?.say ? `Next: ${detail.next.say}.` : this.answers.length < 2
      ? 'Add at least two answers, then hold a number key while the camera sees that answer.' : '';
    this.least.draw(this.answers);
    fill(this.warnings, (detail?.warnings ?? []).map((line) => h('li', {}, line)));
    this.judge.draw(detail);
  }

  key(answer, index, needed) {
    const shots = this.detail?.shots[answer] ?? 0;
    const moments = this.detail?.moments[answer] ?? 0;
    const done = shots >= needed.shots && moments >= needed.moments;
    return h('button', {key: answer, type: 'button', 'data-answer': answer,
      class: `${done ? 'done' : ''} ${this.held?.answer === answer ? 'held' : ''}`,
      onpointerdown: (event) => { event.target.closest('button').setPointerCapture(event.pointerId); this.hold(index); },
      onpointerup: () => this.release(), onpointercancel: () => this.release(),
      oncontextmenu: (event) => event.preventDefault(),
      onclick: (event) => { if (event.detail === 0) this.shoot(answer); }},
    h('kbd', {}, String(index + 1)), h('b', {}, answer),
    h('small', {}, `${shots} of ${needed.shots} shots · ${moments} of ${needed.moments} moments`),
    h('span', {class: 'gauge', style: {width: `${Math.min(100, 50 * Math.min(1, shots / needed.shots) + 50 * Math.min(1, moments / needed.moments))}%`}}));
  }

  // What it would answer, beside what is answered.
  tryIt() {
    if (find('teach').hidden || !this.question) return;
    const known = this.find(this.question);
    const camera = known?.camera || this.stage.camera;
    if (this.say({do: 'try', ...(camera ? {camera} : {})})) {
      this.sendCommand({do: 'ask', id: this.shadow.id, question: known?.question ?? this.question, camera});
    }
  }
}

const sameRegion = (one, other) => (one ?? WHOLE).every((share, i) => Math.abs(share - (other ?? WHOLE)[i]) < 1e-5);

const DONE = {
  fit: (detail) => detail.active ? 'Learnt, and switched on.' : 'Learnt.',
  switch_on: () => 'Switched on: it answers now.',
  switch_off: () => 'Switched off.',
  rollback: (detail) => detail.active ? `Version ${detail.active} answers again.` : 'Rolled back: switched off.',
};
