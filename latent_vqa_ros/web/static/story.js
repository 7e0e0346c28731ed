// The last answers, a line per question: what was answered when, and since when it stands.

import {clock, fill, h, lasted} from './dom.js';
import {said, verdict} from './words.js';

const LINES = 8;  // questions, the last asked first
const RUNS = 7;  // changes of a question that are shown

export const keyOf = (camera, question) => `${camera}\n${question.trim().toLowerCase()}`;

export class Story {
  constructor(where, onChoose) {
    this.severalCameras = false;
    this.standing = new Set();  // keys of questions that are asked again and again
    this.goesOn = () => false;  // whether they are, now
    this.where = where;
    this.onChoose = onChoose;
    this.questions = new Map();
    setInterval(() => this.draw(), 5000);
  }

  // Add a detail that came at a time; equal answers in a row are one run.
  add(detail, at) {
    const key = keyOf(detail.camera, detail.question);
    const runs = this.questions.get(key) ?? [];
    const last = runs.at(-1);
    const same = last && last.detail.status === detail.status && last.detail.answer === detail.answer;
    if (same) {
      last.until = at;
      last.times += 1;
      last.detail = detail;
    } else {
      runs.push({detail, from: at, until: at, times: 1});
      if (runs.length > 50) runs.shift();
    }
    this.questions.delete(key);
    this.questions.set(key, runs);
    while (this.questions.size > 100) this.questions.delete(this.questions.keys().next().value);
  }

  draw() {
    if (this.where.closest('[hidden]')) return;
    const lines = [...this.questions.values()].slice(-LINES).reverse();
    fill(this.where, lines.length ? lines.map((runs) => this.line(runs))
      : h('p', {class: 'hint'}, 'Answers will stand here.'));
  }

  line(runs) {
    const shown = runs.slice(-RUNS);
    const {question, camera} = shown[0].detail;
    return h('li', {key: `${camera}\n${question}`},
      h('p', {class: 'asked'}, question, camera && this.severalCameras ? h('span', {class: 'hint'}, ` · ${camera}`) : null),
      h('ol', {class: 'strip', 'aria-label': `Answers to ${question}`}, shown.map((run, index) => {
        const stands = this.standing.has(keyOf(camera, question));  // what is asked once is known of then alone
        const until = stands && this.goesOn() ? Date.now() / 1000 : run.until;
        const end = stands ? shown[index + 1]?.from ?? until : run.until;
        const asked = run.times > 1 ? `${run.times} times in ${lasted(end - run.from)}` : 'once';
        const label = `${verdict(run.detail)}, ${clock(run.from)}, ${stands ? `for ${lasted(end - run.from)}` : asked}`;
        return h('li', {key: run.from, style: {'flex-grow': String(Math.max(1, end - run.from) ** 0.5)}},
          h('button', {key: 'show', type: 'button', title: label, 'aria-label': label,
            'data-status': run.detail.status === 'ok' ? 'ok' : 'none',
            onclick: () => this.onChoose(run.detail)},
          h('b', {}, run.detail.status === 'ok' ? run.detail.answer : said(run.detail.status).title),
          h('small', {}, stands ? lasted(end - run.from) : clock(run.until))));
      })));
  }
}
