// Conditions as lamps, what the node says about itself, its model, its live parameters.

import {clock, fill, find, h, percent} from './dom.js';
import {LEVELS, LEVEL_WORDS, nice, said} from './words.js';

export class State {
  constructor(send) {
    this.send = send;
    this.conditions = new Map();
    this.statuses = [];
    this.rows = [];
    this.unsaved = new Map();  // name of a setting → the field that somebody writes in, and what the node had then
    this.hello = null;
    this.heard = 0;
    const section = (title, node) => h('section', {class: 'card'}, h('h2', {}, title), node);
    this.lampsNode = h('ul', {class: 'lamps'});
    this.healthNode = h('ul', {class: 'health'});
    this.modelNode = h('div');
    this.rowsNode = h('div', {class: 'parameters'});
    fill(find('state'), h('div', {class: 'panel'}, section('Conditions', this.lampsNode),
      section('How it is', this.healthNode), section('Model', this.modelNode)),
    section('Settings', this.rowsNode));
    setInterval(() => { this.drawHealth(); this.drawLamps(); }, 2000);
  }

  know(hello) {
    this.hello = hello;
    this.drawModel();
  }

  onCondition(event) {
    this.conditions.set(event.name, event);
    this.drawLamps();
  }

  dropCondition(name) {
    this.conditions.delete(name);
    this.drawLamps();
  }

  drawLamps() {
    fill(this.lampsNode, this.conditions.size ? [...this.conditions.values()].map(lamp)
      : h('li', {class: 'hint'}, 'No condition is set, or none was heard yet.'));
  }

  // ``at``: when the node said so, s; it may be told again long after
  onDiagnostics(statuses, at) {
    this.statuses = statuses;
    this.heard = 1000 * at;
    this.drawHealth();
    this.drawModel();
  }

  onParameters(rows) {
    this.rows = rows;
    this.drawLamps();
    const text = JSON.stringify(rows);
    if (text === this.drawn || this.rowsNode.contains(document.activeElement)) return;
    this.drawn = text;  // the same again would take away what somebody writes
    this.drawRows();
  }

  get silent() {
    const period = this.rows.find((row) => row.name === 'diagnostics_period')?.value ?? 1;
    return Date.now() - this.heard > Math.max(8000, 3000 * period);
  }

  // the worst level of the node's own report, for the lamp at the top
  get level() {
    if (!this.heard) return 'wait';
    return this.silent ? 'stale' : LEVELS[Math.max(0, ...this.statuses.map((each) => each.level))];
  }

  drawHealth() {
    if (find('state').hidden) return;
    if (!this.heard || this.silent) {
      fill(this.healthNode, h('li', {'data-level': 'stale'}, h('b', {}, 'The node'),
        h('span', {class: 'level-word'}, 'silent'), h('p', {}, 'It says nothing on /diagnostics. Is it running?')));
      return;
    }
    fill(this.healthNode, this.statuses.map(({name, level, message, values}) => h('li', {key: name, 'data-level': LEVELS[level]},
      h('b', {}, nice(name)), h('span', {class: 'level-word'}, LEVEL_WORDS[level]), h('p', {}, message),
      h('details', {}, h('summary', {}, 'Figures'),
        h('dl', {class: 'figures'}, Object.entries(values).map(([key, value]) => h('div', {}, h('dt', {}, nice(key)), h('dd', {}, value))))))));
  }

  drawModel() {
    const node = this.statuses.find((each) => each.name === 'node')?.values ?? {};
    const {answers = [], words = [], limit = null, model = {}} = this.hello ?? {};
    const name = node.model ?? model.name ?? '';
    fill(this.modelNode,
      h('p', {}, h('b', {}, name || 'not known yet'), ` ${node.model_version ?? model.version ?? ''}`),
      node.backend ? h('p', {class: 'hint'}, `runs with ${node.backend}, ${node.memory_rss_mb} MB`) : null,
      limit === null ? null : h('p', {}, `An answer needs ${percent(limit)} confidence.`),
      answers.length ? h('details', {}, h('summary', {}, `${answers.length} answers`), h('p', {}, answers.join(', '))) : null,
      words.length ? h('details', {}, h('summary', {}, `${words.length} words that it knows`), h('p', {}, words.join(', '))) : null,
      node.model_sha256 ? h('p', {class: 'digest'}, `sha256 ${node.model_sha256}`) : null,
      h('div', {class: 'row'}, node.enabled === undefined ? null : h('button', {type: 'button',
        onclick: () => this.send({do: 'enable', value: node.enabled !== 'True'})},
      node.enabled === 'True' ? 'Stop answering' : 'Answer again')));
  }

  // parameters

  drawRows() {
    const live = this.rows.filter((row) => row.live);
    const fixed = this.rows.filter((row) => !row.live);
    fill(this.rowsNode, this.rows.length ? null : h('p', {class: 'hint'}, 'The node has not told its settings yet.'),
      live.map((row) => this.row(row)),
      fixed.length ? h('details', {}, h('summary', {}, 'Set before the start'), h('dl', {class: 'figures'},
        fixed.map((row) => h('div', {title: row.description}, h('dt', {}, nice(row.name)), h('dd', {}, shown(row.value)))))) : null);
  }

  row(row) {
    const id = `set-${row.name}`;
    const had = JSON.stringify(row.value);
    const kept = this.unsaved.get(row.name);
    const field = kept?.had === had ? kept.field : this.field(row, id);  // not where the node's value changed
    const range = row.from === null ? '' : ` From ${row.from} to ${row.to}.`;
    return h('form', {class: 'setting', oninput: () => this.unsaved.set(row.name, {field, had}),
      onsubmit: (event) => { event.preventDefault(); this.set(row, field); }},
      h('label', {for: id}, nice(row.name)), field, h('button', {type: 'submit'}, 'Set'),
      h('p', {class: 'hint', id: `${id}-about`}, row.description + range));
  }

  field(row, id) {
    const about = {id, 'aria-describedby': `${id}-about`};
    if (row.choices.length) {
      return h('select', about, row.choices.map((each) => h('option', {value: each, selected: each === row.value}, each)));
    }
    if (row.kind === 'flag') return h('input', {...about, type: 'checkbox', checked: row.value});
    if (row.kind === 'list') return h('textarea', {...about, rows: Math.max(2, row.value.length)}, row.value.join('\n'));
    if (row.kind === 'number' || row.kind === 'integer') {
      return h('input', {...about, type: 'number', required: true, step: row.kind === 'number' ? 'any' : 1,
        min: row.from ?? undefined, max: row.to ?? undefined, value: String(row.value)});
    }
    return h('input', {...about, type: 'text', value: row.value ?? '', maxlength: 4096});
  }

  set(row, field) {
    let value = field.value;
    if (field.type === 'checkbox') value = field.checked;
    else if (row.kind === 'list') value = field.value.split('\n').map((line) => line.trim());
    else if (field.type === 'number') value = Number(field.value);
    if (!this.send({do: 'set', name: row.name, value})) return;
    document.activeElement?.blur();
    this.unsaved.delete(row.name);
    this.drawn = '';  // refused or not, the field shows what the node has
  }
}

function lamp({name, value: last, detail, at, question, expected, rate}) {
  const silent = at !== null && Date.now() / 1000 - at > Math.max(5, 3 / (rate || 1));
  const value = silent ? null : last;
  const level = value === null ? 'unknown' : value ? 'on' : 'off';
  const word = {unknown: 'not known', on: 'yes', off: 'no'}[level];
  const said_ = detail ? `${detail.status === 'ok' ? detail.answer : said(detail.status).title}${
    detail.confidence === null ? '' : ` (${percent(detail.confidence)})`}` : '';
  return h('li', {'data-value': level}, h('span', {class: 'bulb', 'aria-hidden': 'true'}), h('b', {}, nice(name)), h('span', {class: 'word'}, word),
    h('p', {class: 'hint'}, [question, expected ? `expects ${shown(expected)}` : null, said_ || null, silent ? `silent since ${clock(at)}` : null].filter(Boolean).join(' · ')));
}

const shown = (value) => Array.isArray(value) ? value.filter(Boolean).join(', ') || 'none' : value === '' ? 'none' : String(value);
