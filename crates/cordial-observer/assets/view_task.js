// One process: its life on an axis, its supervisors, children, links and monitors, and the actions on it.

import * as action from './action.js';
import { get, oneByOne } from './api.js';
import { Bar, Sparkline } from './chart.js';
import * as cells from './cells.js';
import { h, redraw } from './dom.js';
import { ago, clock, count, duration, many, percent, place } from './format.js';
import { histogram } from './histogram.js';
import { live } from './live.js';
import { log } from './log.js';
import * as route from './route.js';

const REFRESH_AFTER_MS = 900;

/** The moments of a life that are no ordinary part of it. */
const LEVELS = { 'long polls': 'warning', 'shutdown requested': 'warning', exiting: 'warning', abandoned: 'critical', crashed: 'critical' };

/** What can be done about a poll that does not return. */
const STUCK = 'A poll inside of this program cannot be interrupted: the process ends only when its poll returns. '
  + 'Code that has to be stoppable at any moment can run in an OS process of its own, with cordial-isolate.';

/** What the names of the moments mean. */
const WORDS = { watched: 'first looked at through this observer', 'first poll': 'polled for the first time', waits: 'waits', woken: 'woken' };

function link(process) {
  const label = process.label ?? process.child_id ?? process.pid;
  // A process without a label is named by its place.
  const name = /\.rs:\d+:\d+$/.test(label) ? place(label) : label;
  return process.alive === false ? h('span', { class: 'gone-process' }, `${name} (ended)`) : h('a', { href: route.task(process.pid) }, name);
}

/** From the outermost to the nearest, with the process itself last. */
function path(processes, own) {
  return h('p', { class: 'path' }, [...processes].reverse().map((process) => [link(process), h('span', { class: 'muted' }, ' › ')]), h('strong', {}, own));
}

/** Moments of one kind in a row are one entry, from the first to the last. */
function inRow(events) {
  const entries = [];
  for (const event of events) {
    const last = entries.at(-1);
    if (last?.what === event.what) Object.assign(last, { until: event.at_ms, detail: null });
    else entries.push({ ...event });
  }
  return entries;
}

/** The life of a process from left to right: marks at their times. */
function lifeline(events, from, to) {
  const span = Math.max(1, to - from);
  const name = (event) => WORDS[event.what] ?? event.what;
  const level = (event) => LEVELS[event.what] ?? '';
  const line = h('div', { class: 'lifeline' }, h('span', { class: 'lifeline-bar' }), events.map((event) => {
    const mark = h('span', { class: `lifeline-mark ${level(event)}`, title: name(event) });
    mark.style.left = `${((event.at_ms - from) / span) * 100}%`;
    return mark;
  }));
  const row = h('ol', { class: 'lifeline-words' }, inRow(events).map((event) => {
    const time = event.until ? `${clock(event.at_ms)} to ${clock(event.until)}` : clock(event.at_ms);
    const after = event.at_ms === from ? time : `${time} · ${duration(event.at_ms - from)} after its spawn`;
    return h('li', {}, h('span', { class: `dot ${level(event)}` }), h('span', {}, name(event)), h('span', { class: 'muted' }, after), event.detail ? h('span', { class: 'muted' }, event.detail) : null);
  }));
  return h('div', {}, line, h('p', { class: 'lifeline-ends' }, h('span', {}, clock(from)), h('span', {}, clock(to))), row);
}

export function task({ id }) {
  const body = h('div', {}, h('p', { class: 'muted' }, 'Loading the process…'));
  const element = h('section', { class: 'column task' }, body);
  let found = null;
  let at = 0;
  /** The status and the sentence of the failure that is shown. */
  let over = null;
  let samples = [];

  const refresh = oneByOne(async () => {
    if (Date.now() - at < REFRESH_AFTER_MS) return;
    at = Date.now();
    try {
      found = await get(`api/tasks/${encodeURIComponent(id)}`);
      draw();
    } catch (failure) {
      ended(failure);
    }
  });

  function ended(failure) {
    if (failure.status === 0) return;
    const gone = failure.body.ended;
    const crash = gone?.crash;
    // Drawn once, so that a screen reader does not read it each second.
    const drawn = `${failure.status} ${failure.message}`;
    if (drawn === over) return;
    over = drawn;
    const life = gone?.lifeline?.length ? crash ? [...gone.lifeline.filter((event) => event.what !== 'ended'), { at_ms: gone.at_ms, what: 'crashed', detail: gone.exit }] : gone.lifeline : null;
    const last = found && h('p', { class: 'muted' }, `When it was last seen, at ${clock(found.seen)}, it was ${cells.state(found.task).word}, had been polled ${count(found.task.polls)} times, and was spawned at ${found.task.place}.`);
    redraw(body,
      h('h2', { 'data-start': true, tabindex: -1, 'data-keep': 'title' }, found ? cells.title(found.task) : id),
      h('p', { class: 'ended', role: 'status' }, failure.message),
      last ?? '',
      crash ? h('p', {}, h('a', { href: route.to('crash', String(crash)) }, 'Why it crashed')) : '',
      life ? [h('h3', {}, 'Life'), lifeline(life, life[0].at_ms, gone.at_ms)] : '',
      h('p', {}, h('a', { href: route.to('tasks') }, 'All tasks'), ' · ', h('a', { href: route.to('tree') }, 'The tree')));
  }

  function act() {
    if (!found) return;
    const actions = action.offered(found.can ?? live.overview.rights, found.task, found.children?.total ?? 0);
    if (actions.length) action.confirm(actions, found.task, found.children?.total ?? 0);
  }

  function numbers(row) {
    const bar = new Bar();
    bar.show(row.busy_share, cells.state(row).level);
    const spark = new Sparkline(`Busy share of ${cells.title(row)}`);
    samples = found.history?.busy?.length ? found.history.busy : [...samples, row.busy_share ?? 0].slice(-60);
    spark.show(samples, Math.max(60, samples.length));
    const facts = [
      ['Age', duration(row.age_ms)],
      ['Computed', `${duration(row.busy_ms)} in all`],
      ['Polls', count(row.polls)],
      found.quiet_ms >= 2000 ? ['Not polled for', duration(found.quiet_ms)] : null,
      found.connection ? ['Requests', count(found.connection.requests)] : null,
      row.self_wakes ? ['Woke itself', `${count(row.self_wakes)} times`] : null,
      ['Long polls', count(row.long_polls)],
      row.mailbox ? ['Mailbox', `${count(row.mailbox.length)} of ${count(row.mailbox.capacity)}`] : null,
      row.restarts ? ['Restarts', count(row.restarts)] : null,
    ].filter(Boolean);
    return h('div', { class: 'task-numbers' },
      h('div', { class: 'task-busy' }, h('span', { class: 'chart-title' }, 'Busy'), h('span', { class: 'chart-number' }, percent(row.busy_share)), spark.element),
      h('dl', { class: 'tiles' }, facts.map(([term, value]) => h('div', {}, h('dt', {}, term), h('dd', {}, value)))));
  }

  function beside() {
    const parts = [];
    const links = found.links ?? [];
    if (found.connection) parts.push(['Client', found.connection.peer]);
    parts.push(['Links', links.length ? links.map((process) => [link(process), ' ']) : 'none']);
    parts.push(['Monitors', found.monitors ? many(found.monitors, 'monitor') : 'none']);
    parts.push(['Exits', found.traps_exits ? 'it receives the exits of linked processes as messages' : 'it ends if a linked process fails']);
    return h('dl', { class: 'facts' }, parts.map(([term, value]) => [h('dt', {}, term), h('dd', {}, value)]));
  }

  function supervision() {
    const kept = found.supervision;
    if (!kept) return '';
    const facts = [['Strategy', kept.strategy.replaceAll('_', ' ')], ['Restarts made', count(kept.restarts)], ['Restart limit', kept.intensity ? `${count(kept.intensity.used)} of ${count(kept.intensity.limit)} within ${duration(kept.intensity.window_ms)}` : 'none']];
    if (kept.inactive) facts.push(['Without a process', many(kept.inactive, 'child', 'children')]);
    if (kept.next_restart_ms !== null) facts.push(['Next restart', `in ${duration(kept.next_restart_ms)}`]);
    return [h('h3', {}, 'What it supervises'), h('dl', { class: 'facts' }, facts.map(([term, value]) => [h('dt', {}, term), h('dd', {}, value)]))];
  }

  function children() {
    const below = found.children;
    if (!below?.total) return '';
    const more = below.total - below.rows.length;
    return [h('h3', {}, `Children (${count(below.total)})`),
      h('ul', { class: 'plain-list' }, below.rows.map((row) => h('li', {}, h('span', { class: `dot ${cells.state(row).level}` }), link(row), h('span', { class: 'muted' }, ` ${cells.state(row).word}`)))),
      more > 0 ? h('p', {}, h('a', { href: route.to('tasks', null, { supervisor: found.task.pid }) }, `all ${count(below.total)} in the table`)) : ''];
  }

  function crashesOf() {
    if (!found.crashes?.length) return '';
    return [h('h3', {}, found.task.child_id ? 'Crashes of this child' : 'Crashes of processes spawned at the same place'), h('ul', { class: 'plain-list' }, found.crashes.map((crash) => h('li', {}, h('span', { class: 'dot critical' }), h('a', { href: route.to('crash', String(crash.n)) }, crash.message || crash.exit_kind), h('span', { class: 'muted' }, ` ${ago(crash.at_ms, live.now())}`))))];
  }

  function draw() {
    const row = found.task;
    found.seen = live.now();
    over = null;
    const state = cells.state(row);
    const actions = action.offered(found.can ?? live.overview.rights, row, found.children?.total ?? 0);
    const from = found.lifeline?.[0]?.at_ms ?? live.now() - row.age_ms;
    redraw(body,
      found.ancestors?.length ? path(found.ancestors, cells.title(row)) : '',
      h('div', { class: 'task-head' },
        h('h2', { 'data-start': true, tabindex: -1, 'data-keep': 'title' }, h('span', { class: `dot ${state.level}`, 'aria-hidden': 'true' }), cells.title(row)),
        actions.length ? h('button', { type: 'button', class: 'danger', 'data-keep': 'act', onclick: act }, 'End it… ', h('kbd', {}, 'x')) : ''),
      h('p', { class: 'task-state' }, h('strong', { class: `state-word ${state.level}` }, state.word), h('span', { class: 'muted' }, ` · ${row.pid} · ${cells.kindName(row.kind)}${row.incarnation > 1 ? ` · incarnation ${row.incarnation}` : ''}`)),
      row.in_poll_ms >= 1000 ? h('p', { class: 'ended critical' }, `Its poll has not returned for ${duration(row.in_poll_ms)}. ${STUCK}`) : '',
      numbers(row),
      found.details?.length ? [h('h3', {}, 'What it says about itself'), h('ul', { class: 'plain-list' }, found.details.map((line) => h('li', { class: 'log-text' }, line)))] : '',
      found.note ? [h('h3', {}, 'What the program says about it'), h('p', { class: 'log-text' }, found.note)] : '',
      h('h3', {}, 'Life'), lifeline(found.lifeline?.length ? found.lifeline : [{ at_ms: from, what: 'spawned', detail: row.place }], from, Math.max(from, live.now())),
      log(found.log),
      h('h3', {}, 'Spawned at'), h('p', { class: 'place' }, row.place ?? 'an unknown place'),
      h('h3', {}, 'Polls of all processes that were spawned there, by length'), histogram(found.poll_durations),
      found.callers?.length ? [h('h3', {}, 'Callers'), path(found.callers, cells.title(row))] : '',
      h('h3', {}, 'Links and monitors'), beside(),
      supervision(), children(), crashesOf());
  }

  return { element, refresh, act };
}
