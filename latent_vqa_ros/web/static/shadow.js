// What a taught question would answer, beside what is answered now.

import {fill, h} from './dom.js';
import {taughtSaid, verdict} from './words.js';

const PACE = 1000;  // ms from one trial to the next

export class Shadow {
  // ask() asks for both; ``id`` is that of the question which is asked as any other.
  constructor(id, ask) {
    this.id = id;
    this.box = h('input', {id: 'shadow', type: 'checkbox'});
    this.text = h('p', {class: 'shadow', 'aria-live': 'off'});
    setInterval(() => { if (this.box.checked && !document.hidden) ask(); }, PACE);
  }

  clear() {
    this.trial = this.answered = null;
    fill(this.text);
  }

  onTrial({tried, status, reason}) {
    this.trial = tried ? `${tried.status === 'ok' ? tried.answer : taughtSaid(tried.status)}${
      tried.confidence === null ? '' : ` (${Math.round(100 * tried.confidence)} %)`}` : `${taughtSaid(status)}: ${reason}`;
    this.draw();
  }

  onDetail(detail) {
    if (detail.id !== this.id) return;
    this.answered = detail.status === 'ok' ? detail.answer : verdict(detail);
    this.draw();
  }

  draw() {
    fill(this.text, 'It would answer ', h('b', {}, this.trial ?? '…'), ' · answered now: ', h('b', {}, this.answered ?? '…'));
  }
}
