// The present problems: polls that do not return, and warnings.

import { Bar } from './chart.js';
import { title } from './cells.js';
import { h, keyed, text, attribute } from './dom.js';
import { duration, many, place } from './format.js';
import { live } from './live.js';
import { link, sentence } from './problems.js';
import * as route from './route.js';

/** A bar is full after this time. */
const FULL_MS = 10_000;

function makePoll() {
  const bar = new Bar('large');
  const parts = { bar, label: h('a', { class: 'label' }), time: h('strong', { class: 'poll-time' }), where: h('span', { class: 'place' }), about: h('span', { class: 'muted' }) };
  const item = h('li', { class: 'poll' }, h('span', { class: 'poll-head' }, parts.label, parts.time), bar.element, parts.where, parts.about);
  item.parts = parts;
  return item;
}

function fillPoll(item, poll) {
  const { bar, label, time, where, about } = item.parts;
  const level = poll.for_ms >= 1000 ? 'critical' : 'warning';
  item.className = `poll ${level}`;
  text(label, title(poll));
  attribute(label, 'href', route.task(poll.pid));
  text(time, duration(poll.for_ms));
  bar.show(poll.for_ms / FULL_MS, level);
  text(where, place(poll.place));
  attribute(where, 'title', poll.place);
  const on = poll.worker === null || poll.worker === undefined ? '' : `holds worker ${poll.worker}`;
  const thread = poll.thread ? `thread ${poll.thread}` : '';
  const usual = poll.usual_ms ? `99 of 100 polls of 1 ms or more at its place return within ${duration(poll.usual_ms)}` : '';
  const below = poll.supervisor_label ? `under ${poll.supervisor_label}` : '';
  text(about, [poll.pid, on, thread, below, usual].filter(Boolean).join(' · '));
}

export function polls() {
  const list = h('ul', { class: 'polls' });
  const none = h('p', { class: 'empty' }, 'No poll lasts longer than 100 ms at present. Such a poll appears here while it lasts.');
  const words = h('p', { class: 'muted lead' }, 'While a poll does not return, its thread runs nothing else, and its process cannot be ended. Put an await or a cordial::checkpoint() between the steps of the work.');
  const number = h('span', {});
  const most = h('a', { href: route.to('tasks', null, { sort: 'long_polls', descending: 'true' }) }, 'The tasks with the most of them');
  const seen = h('p', { class: 'muted seen' }, number, most);
  const element = h('section', { class: 'column' }, h('h2', { 'data-start': true, tabindex: -1 }, 'Long polls'), words, list, none, seen);
  function refresh() {
    const now = [...(live.overview.long_polls ?? [])].sort((a, b) => b.for_ms - a.for_ms);
    none.hidden = now.length > 0;
    words.hidden = now.length === 0;
    keyed(list, now, (poll) => poll.pid, makePoll, fillPoll);
    const recent = Math.round(live.seconds.recent('long_polls', 600));
    seen.hidden = recent === 0;
    text(number, `${many(recent, 'poll')} in the last 10 minutes lasted longer than stall_after of the runtime, which is 4 ms by default. `);
  }
  return { element, refresh };
}

function makeWarning() {
  const parts = { sentence: h('a', { class: 'sentence' }), advice: h('span', {}), about: h('span', { class: 'muted' }) };
  const item = h('li', {}, h('span', { class: 'mark', 'aria-hidden': 'true' }), h('span', { class: 'warning-words' }, parts.sentence, parts.advice, parts.about));
  item.parts = parts;
  return item;
}

function fillWarning(item, warning) {
  item.className = `warning-row ${warning.severity}`;
  text(item.querySelector('.mark'), warning.severity === 'critical' ? '!' : '·');
  text(item.parts.sentence, sentence(warning));
  text(item.parts.advice, warning.advice);
  attribute(item.parts.sentence, 'href', link(warning));
  // Not how long the reason has lasted, but how long it is a warning.
  const since = warning.since_at_ms ? ` · seen for ${duration(Math.max(0, live.now() - warning.since_at_ms))}` : '';
  text(item.parts.about, `${warning.kind.replaceAll('_', ' ')}${since}${warning.place ? ` · ${place(warning.place)}` : ''}`);
}

export function warnings() {
  const list = h('ul', { class: 'warnings' });
  const none = h('p', { class: 'empty' }, 'Nothing is wrong. The observer looks for polls that do not return, tasks that wake themselves all the time, places whose number of tasks only rises, mailboxes that fill, children that crash again and again, supervisors near their restart limit, and tasks that wait for a worker.');
  const element = h('section', { class: 'column' }, h('h2', { 'data-start': true, tabindex: -1 }, 'Warnings'), list, none);
  function refresh() {
    const now = live.overview.warnings ?? [];
    none.hidden = now.length > 0;
    keyed(list, now, (warning) => warning.id, makeWarning, fillWarning);
  }
  return { element, refresh };
}
