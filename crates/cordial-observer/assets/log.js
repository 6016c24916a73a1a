// What a process has logged.

import { h } from './dom.js';
import { clock } from './format.js';

/** The last log lines; nothing if the program keeps none. `lines` is null then. */
export function log(lines) {
  if (!lines) return '';
  const row = (line) => h('li', { class: `log-line ${line.level}` },
    h('span', { class: 'muted' }, clock(line.at_ms)), h('span', { class: 'log-level' }, line.level), h('span', { class: 'log-text' }, line.text), h('span', { class: 'muted log-target' }, line.target));
  return [h('h3', {}, 'Last log lines'), lines.length ? h('ol', { class: 'log' }, lines.map(row)) : h('p', { class: 'muted' }, 'It has logged nothing, or nothing lately.')];
}
