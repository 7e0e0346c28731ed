// The shots of a question: thumbnails by answer and moment; one is removed with Delete.

import {fill, h} from './dom.js';

const MOST = 60;  // thumbnails that are fetched, the newest
const PAUSE = 80;  // ms between two: the server takes 20 messages a second

export class Shots {
  constructor(say) {
    this.say = say;
    this.node = h('div', {class: 'shots'});
    this.onPicture = () => {};
    this.clear();
  }

  clear() {
    clearTimeout(this.soon);
    clearTimeout(this.next);
    this.taken = [];
    this.pictures = new Map();
    this.wanted = [];
    this.draw();
  }

  refreshSoon() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.say({do: 'show'}), 250);
  }

  // Take a document of `show`: all shots, or the one that was asked for, if it is still there.
  take({taken, status}, own) {
    const shown = taken.filter((each) => each.picture);
    for (const {shot, picture} of shown) this.pictures.set(shot, `data:image/jpeg;base64,${picture}`);
    if (!shown.length && status === 'ok') this.list(taken);
    this.wanted = this.wanted.filter((shot) => !this.pictures.has(shot));
    if (own) {  // not at others' answers: each would ask again
      clearTimeout(this.next);
      this.next = setTimeout(() => this.fetchNext(), PAUSE);
    }
    this.draw();
    this.onPicture();
  }

  list(taken) {
    this.taken = taken;
    const names = new Set(taken.map((each) => each.shot));
    for (const known of this.pictures.keys()) if (!names.has(known)) this.pictures.delete(known);
    this.wanted = taken.slice(-MOST).map((each) => each.shot).reverse();
  }

  // One at a time: each answer asks for the next.
  fetchNext() {
    const shot = this.wanted.shift();  // once: it may be gone, or broken
    if (shot) this.say({do: 'show', shot});
  }

  picture(shot) {
    return this.pictures.get(shot);
  }

  draw() {
    const byAnswer = new Map();
    for (const each of this.taken) {
      const moments = byAnswer.get(each.answer) ?? new Map();
      moments.set(each.moment, [...(moments.get(each.moment) ?? []), each]);
      byAnswer.set(each.answer, moments);
    }
    fill(this.node, [...byAnswer].map(([answer, moments]) => h('section', {key: answer},
      h('h3', {}, answer),
      h('div', {class: 'moments'}, [...moments].map(([moment, shots]) => h('div',
        {key: moment, class: 'moment', role: 'group', 'aria-label': `${answer}, one moment`}, shots.map((shot) => this.thumb(shot))))))));
  }

  thumb({shot, answer, margin}) {
    const picture = this.picture(shot);
    const label = `Shot ${shot} of ${answer}. Delete removes it.`;
    return h('button', {key: shot, type: 'button', class: 'thumb', title: label, 'aria-label': label, 'data-shot': shot,
      'data-doubt': margin !== null && margin < 0 ? 'yes' : undefined,
      onkeydown: (event) => {
        if (event.key === 'Delete' || event.key === 'Backspace') this.remove(shot);
      },
      ondblclick: () => this.remove(shot)},
    picture ? h('img', {src: picture, alt: ''}) : '…');
  }

  remove(shot) {
    this.wanted = this.wanted.filter((each) => each !== shot);
    this.say({do: 'forget', shot});
  }
}
