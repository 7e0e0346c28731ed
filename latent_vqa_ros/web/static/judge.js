// The judgement in a picture, the doubtful shots, versions, and the switches.

import {fill, h, percent} from './dom.js';

const WIDE = 320;
const HIGH = 160;
const LEFT = 34;
const BOTTOM = 34;
const LOWEST = 0.45; // share right at the foot of the picture

export class Judge {
  constructor(say, picture) {
    this.say = say;
    this.picture = picture;
    this.node = h('div', {class: 'judge'});
  }

  draw(detail) {
    const judgement = detail?.judgement;
    const ready = detail && detail.answers.length > 1;
    fill(this.node,
      h('div', {class: 'row'},
        h('button', {type: 'button', class: 'primary', id: 'fit', disabled: !ready,
          onclick: () => this.say({do: 'fit'})}, judgement && !detail.stale ? 'Check again' : 'Check it'),
        detail?.active ? h('button', {type: 'button', id: 'off', onclick: () => this.say({do: 'switch_off'})}, 'Switch off')
          : this.switchOn(detail, judgement),
        h('button', {type: 'button', id: 'rollback', disabled: !detail?.versions.length,
          onclick: () => this.say({do: 'rollback'})}, 'Roll back')),
      this.state(detail, judgement),
      judgement ? this.verdict(judgement) : null,
      judgement?.curve.length ? chart(judgement) : null,
      detail?.doubtful.length ? this.doubtful(detail) : null,
      detail?.versions.length ? this.versions(detail) : null);
  }

  switchOn(detail, judgement) {
    const force = judgement && !judgement.trusted;
    const text = force ? 'Switch on anyway' : 'Switch on';
    return h('button', {type: 'button', id: 'on', disabled: !judgement,
      onclick: () => this.turnOn({}, force && `The judge does not trust it: ${judgement.reason}.`)}, text);
  }

  // Against the judge only where a person says so twice.
  turnOn(version, doubt) {
    if (!doubt) this.say({do: 'switch_on', ...version});
    else if (window.confirm(`${doubt} Switch on anyway?`)) this.say({do: 'switch_on', ...version, force: true});
  }

  state(detail, judgement) {
    if (!detail?.active) return h('p', {class: 'on-off', 'data-level': 'off'}, judgement ? 'Not switched on.' : 'Not checked yet.');
    return h('p', {class: 'on-off', 'data-level': detail.forced ? 'warn' : 'ok'},
      `On: version ${detail.active} answers${detail.forced ? ', although the judge does not trust it' : ''}.`,
      detail.stale ? ' There are newer shots: check again to use them.' : '');
  }

  verdict(judgement) {
    const words = judgement.trusted ? 'The judge trusts it.' : `The judge does not trust it: ${judgement.reason}.`;
    const bars = Object.entries(judgement.per_answer).map(([answer, {n, right}]) => h('li', {},
      h('b', {}, answer), ` right ${percent(right)} of ${n}`));
    return h('div', {}, h('p', {class: judgement.trusted ? 'good' : 'warn'}, words),
      h('p', {}, `Right ${percent(judgement.right)} (${percent(judgement.gate)} are needed), at least ${percent(judgement.lower_bound)} by the number of moments. `,
        `It would answer ${percent(judgement.answered)} of the time and be right in ${percent(judgement.right_when_answered)} of those. `,
        judgement.by === 'shot' ? 'Judged by single shots: show each answer at other moments.' : 'Each moment was judged by the others.'),
      h('ul', {class: 'per-answer'}, bars));
  }

  doubtful(detail) {
    return h('div', {}, h('h3', {}, 'Look at these again'),
      h('div', {class: 'doubtful'}, detail.doubtful.slice(0, 6).map(({shot, answer, looks_like: like}) => {
        const picture = this.picture(shot);
        return h('figure', {key: shot}, picture ? h('img', {src: picture, alt: `Shot ${shot}`}) : null,
          h('figcaption', {}, 'shown as ', h('b', {}, answer), ', looks like ', h('b', {}, like ?? '?'), ' ',
            h('button', {type: 'button', class: 'quiet', onclick: () => this.say({do: 'forget', shot})}, 'Remove')));
      })));
  }

  versions(detail) {
    return h('details', {}, h('summary', {}, 'Versions'),
      h('ol', {class: 'versions'}, [...detail.versions].reverse().map((each) => h('li', {key: each.version},
        `Version ${each.version}: ${each.shots} shots, right ${percent(each.right)}${each.trusted ? '' : ', not trusted'} `,
        each.version === detail.active ? h('b', {}, 'answers now') : h('button', {type: 'button', class: 'quiet',
          onclick: () => this.turnOn({version: each.version},
            !each.trusted && `The judge does not trust version ${each.version}.`)}, 'Use')))));
  }
}

// Share right over shots per answer, with the gate, and the bound of the last as a bar.
function chart({curve, gate, right, lower_bound: bound}) {
  const most = Math.max(...curve.map(([shots]) => shots), 1);
  const x = (shots) => LEFT + 8 + (WIDE - LEFT - 24) * (shots / most);
  const y = (share) => 8 + (HIGH - BOTTOM - 8) * (1 - Math.max(0, share - LOWEST) / (1 - LOWEST));
  const line = curve.map(([shots, share], index) => `${index ? 'L' : 'M'}${x(shots)} ${y(share)}`).join('');
  const grid = [0.5, 0.75, 1].map((share) => h('g', {},
    h('line', {class: 'grid', x1: LEFT, x2: WIDE, y1: y(share), y2: y(share)}),
    h('text', {class: 'axis', x: LEFT - 4, y: y(share) + 4, 'text-anchor': 'end'}, percent(share).replace(' ', ''))));
  const label = `Right by shots per answer: ${curve.map(([shots, share]) => `${shots}: ${percent(share)}`).join(', ')}. `
    + `Trusted from ${percent(gate)}.`;
  return h('svg', {class: 'chart', viewBox: `0 0 ${WIDE} ${HIGH}`, role: 'img', 'aria-label': label},
    grid, h('line', {class: 'gate', x1: LEFT, x2: WIDE, y1: y(gate), y2: y(gate)}),
    h('text', {class: 'axis', x: LEFT + 6, y: y(gate) + 14}, `trusted from ${percent(gate)}`),
    h('rect', {class: 'bound', x: x(most) - 5, width: 10, y: y(right), height: Math.max(1, y(bound) - y(right))}),
    h('path', {class: 'curve', d: line}),
    curve.map(([shots, share]) => h('circle', {class: 'dot', cx: x(shots), cy: y(share), r: 3.5})),
    curve.map(([shots]) => h('text', {class: 'axis', x: x(shots), y: HIGH - 14, 'text-anchor': 'middle'}, String(shots))),
    h('text', {class: 'axis', x: (LEFT + WIDE) / 2, y: HIGH - 2, 'text-anchor': 'middle'}, 'shots per answer'));
}
