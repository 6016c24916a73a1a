// The overview: what the threads do, how much runs, and what has changed over time.

import { Chart, Sparkline } from './chart.js';
import { h, keyed, text, attribute } from './dom.js';
import * as cells from './cells.js';
import { bytes, count, duration, many, percent, rate } from './format.js';
import { live } from './live.js';
import * as route from './route.js';

const SPANS = { ten: { series: 'seconds', points: 600, title: '10 minutes' }, six: { series: 'long', points: 2160, title: '6 hours' } };
const RELOAD_LONG_MS = 10_000;
/** How many stand-ins are shown one by one: those with the longest polls. */
const MOST_STAND_INS = 8;

const CHARTS = [
  ['Live tasks', [{ name: 'live', title: '', kind: 'area' }], count],
  ['Spawned a second', [{ name: 'spawned', title: '', kind: 'area' }, { name: 'ended', title: 'ended', kind: 'line' }], rate],
  ['Crashes a second', [{ name: 'crashed', title: '', kind: 'bars' }], rate, { least: 5 }],
  ['Queue', [{ name: 'queued', title: '', kind: 'area' }, { name: 'stand_ins', title: 'standing in', kind: 'line' }], count, { least: 10 }],
  ['Processor cores', [{ name: 'cpu', title: '', kind: 'area' }], (value) => (value === null || value === undefined ? '–' : value.toFixed(2)), { least: 1 }],
  ['Memory', [{ name: 'rss_bytes', title: '', kind: 'area' }], bytes, { unit: 1024 * 1024 }],
];

/** What a worker does, in a few words, and how bad it is. */
function doing(worker) {
  const name = cells.title(worker);
  if (worker.pid && worker.since_ms >= 100) return { words: `in one poll for ${duration(worker.since_ms)}: ${name}`, level: worker.since_ms >= 1000 ? 'critical' : 'warning' };
  if (worker.pid) return { words: `runs ${name}`, level: '' };
  return { words: worker.state === 'running' ? 'active' : (worker.state ?? 'idle'), level: 'muted' };
}

function makeWorker() {
  const spark = new Sparkline('');
  const title = h('span', { class: 'worker-name' });
  const number = h('span', { class: 'worker-share' });
  const words = h('a', { class: 'worker-doing' });
  const item = h('li', { class: 'worker' }, h('span', { class: 'worker-top' }, title, number), spark.element, words);
  item.parts = { spark, title, number, words };
  return item;
}

function fillWorker(item, worker) {
  const { spark, title, number, words } = item.parts;
  const activity = doing(worker);
  item.className = `worker ${activity.level}`;
  const name = `${worker.index < live.overview.now.threads ? 'Worker' : 'Stand-in'} ${worker.index}`;
  text(title, name);
  text(number, percent(worker.busy));
  spark.label = `${name}, busy share of the last five minutes, now ${percent(worker.busy)}`;
  spark.show(live.seconds.workers[worker.index] ?? [], 300);
  text(words, activity.words);
  attribute(words, 'title', worker.place);
  attribute(words, 'href', worker.pid ? route.task(worker.pid) : null);
}

function makeBusy() {
  const name = cells.name();
  const share = cells.share((row) => row.busy_share, (row) => percent(row.busy_share), (row) => cells.state(row).level);
  const where = cells.placeCell();
  const item = h('li', { class: 'busy' }, name.element, where.element, share.element);
  item.parts = [name, share, where];
  return item;
}

/** The states of all processes as one bar. */
class States {
  constructor() {
    this.bar = h('div', { class: 'states-bar', 'aria-hidden': 'true' });
    this.words = h('p', { class: 'states-words' });
    this.element = h('div', { class: 'states' }, this.bar, this.words);
  }

  show(counts) {
    const parts = Object.entries(counts ?? {}).filter(([, n]) => n > 0);
    const make = () => h('span', {});
    keyed(this.bar, parts, ([name]) => name, make, (part, [name, n]) => {
      part.className = `state-${name}`;
      part.style.flexGrow = n;
    });
    keyed(this.words, parts, ([name]) => name, () => h('a', {}), (link, [name, n]) => {
      link.className = `state-${name}`;
      link.href = route.to('tasks', null, { state: name });
      text(link, `${count(n)} ${name.replaceAll('_', ' ')}`);
    });
  }
}

export function overview() {
  let span = SPANS.ten;
  const workers = h('ul', { class: 'workers' });
  const stand = h('span', { class: 'muted' });
  const more = h('p', { class: 'muted', hidden: true });
  const busiest = h('ol', { class: 'busiest' });
  const nothing = h('p', { class: 'muted' }, 'No task has computed in the last second.');
  const states = new States();
  const charts = CHARTS.map(([title, lines, format, options]) => new Chart(title, lines, format, options));
  const choices = Object.entries(SPANS).map(([name, entry]) => h('button', { type: 'button', 'aria-pressed': String(entry === span), onclick: () => choose(name) }, entry.title));
  const element = h('div', { class: 'overview' },
    h('section', { 'aria-labelledby': 'h-workers' }, h('h2', { id: 'h-workers' }, 'Workers ', stand), workers, more),
    h('section', { 'aria-labelledby': 'h-busy' }, h('h2', { id: 'h-busy' }, 'Processes'), states.element, h('h3', {}, 'Busiest in the last second'), busiest, nothing),
    h('section', { 'aria-labelledby': 'h-time', class: 'wide' }, h('h2', { id: 'h-time' }, 'The last ', h('span', { class: 'segments', role: 'group', 'aria-label': 'Time span' }, choices)), h('div', { class: 'charts' }, charts.map((chart) => chart.element))));

  function choose(name) {
    span = SPANS[name];
    choices.forEach((button, index) => attribute(button, 'aria-pressed', String(Object.keys(SPANS)[index] === name)));
    refresh();
  }

  function refresh() {
    const now = live.overview;
    if (span === SPANS.six && Date.now() - live.askedAt > RELOAD_LONG_MS) live.load().then(refresh, () => {});
    // Spare threads that sleep are a number in the heading.
    const shown = (now.workers ?? []).filter((worker) => worker.index < now.now.threads || worker.pid || worker.busy >= 0.005);
    const isStandIn = (worker) => worker.index >= now.now.threads;
    const standIns = shown.filter(isStandIn).sort((a, b) => (b.since_ms ?? 0) - (a.since_ms ?? 0) || a.index - b.index);
    const listed = [...shown.filter((worker) => !isStandIn(worker)), ...standIns.slice(0, MOST_STAND_INS)];
    keyed(workers, listed, (worker) => worker.index, makeWorker, fillWorker);
    const hidden = standIns.length - MOST_STAND_INS;
    more.hidden = hidden <= 0;
    text(more, `and ${many(hidden, 'more stand-in')}`);
    const parts = [count(now.now.threads)];
    if (now.now.stand_ins > 0) parts.push(many(now.now.stand_ins, 'stand-in'));
    if (now.now.queued > 0) parts.push(`${many(now.now.queued, 'task')} queued`);
    text(stand, parts.join(' · '));
    states.show(now.counts);
    showBusiest();
    for (const chart of charts) chart.show(live[span.series], span.points);
  }

  function showBusiest() {
    const rows = (live.overview.busiest ?? []).filter((row) => row.busy_share > 0.001);
    nothing.hidden = rows.length > 0;
    keyed(busiest, rows, (row) => row.pid, makeBusy, (item, row) => item.parts.forEach((part) => part.show(row)));
  }

  return { element, refresh };
}
