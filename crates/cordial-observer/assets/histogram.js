// How long the polls of one place have lasted, as bars.

import { Bar } from './chart.js';
import { h } from './dom.js';
import { count, duration } from './format.js';

/** From how many milliseconds on a poll keeps others waiting. */
const LONG_MS = 100;

/** The beginning of the last bucket that there can be, in milliseconds: it has no end. */
const LAST_MS = 32_768;

/** `buckets` begin at 1 ms, and each but the one from `LAST_MS` on reaches to twice its beginning. */
export function histogram(buckets) {
  const first = buckets?.findIndex((bucket) => bucket.polls > 0) ?? -1;
  if (first < 0) return h('p', { class: 'muted' }, 'None of them was seen to last for a millisecond.');
  const most = Math.max(...buckets.map((bucket) => bucket.polls));
  // The first row is the first bucket that has polls.
  const rows = buckets.slice(first).map(({ at_least_ms: from, polls }) => {
    const bar = new Bar();
    bar.show(polls / most, from >= 10 * LONG_MS ? 'critical' : from >= LONG_MS ? 'warning' : '');
    return [h('dt', {}, from >= LAST_MS ? `${duration(from)} or more` : `${duration(from)} to ${duration(2 * from)}`), h('dd', {}, bar.element, h('span', { class: 'bar-number' }, count(polls)))];
  });
  return h('dl', { class: 'histogram' }, rows);
}
