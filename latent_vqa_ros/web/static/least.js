// The picture that a taught question was least sure about, to be labelled: that teaches most.

import {fill, h} from './dom.js';

const MOST_SEEN = 100;  // pictures of answers that are kept; the node keeps 16 frames, often with several answers each

export class Least {
  // correct(about, answer) tells whether it was sent.
  constructor(stage, correct) {
    this.stage = stage;
    this.correct = correct;
    this.node = h('div', {class: 'least'});
    this.seen = new Map();  // id of a detail of a taught question → what the camera showed then
    this.offered = null;  // [id, picture] that is offered
  }

  withdraw() {
    this.offered = null;
    fill(this.node);
  }

  // It stays until it is labelled, even where a worse one comes: a label must not go to another
  // picture than was seen.
  offer(about) {
    if (!this.offered && this.seen.has(String(about))) this.offered = [about, this.seen.get(String(about))];
  }

  draw(answers) {
    const [id, picture] = this.offered ?? [];
    fill(this.node, !this.offered ? null : [h('p', {}, 'It was least sure about this. Which is right?'),
      h('div', {key: id, class: 'row', 'data-about': id}, h('img', {src: picture, alt: 'The picture that it was least sure about', width: 120}),
        answers.map((answer) => h('button', {type: 'button', onclick: () => this.label(id, answer)}, answer)))]);
  }

  label(about, answer) {
    if (!this.correct(about, answer)) return;
    this.seen.delete(String(about));
    this.withdraw();
  }

  // An id that comes again is about another frame; a picture is kept only where it is the frame's.
  onDetail(detail) {
    if (detail.id === null) return;
    const id = String(detail.id);
    this.seen.delete(id);
    if (this.offered && String(this.offered[0]) === id) this.withdraw();
    if (id.startsWith('shadow-') || !detail.model.name.startsWith('taught/') || !this.stage.shows(detail)) return;
    this.seen.set(id, this.stage.thumbnail());
    while (this.seen.size > MOST_SEEN) this.seen.delete(this.seen.keys().next().value);
  }
}
