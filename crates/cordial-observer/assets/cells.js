// What a cell of a table can show. Each kind makes its elements once and then only changes them.

import { Bar } from './chart.js';
import { h, text, attribute } from './dom.js';
import { duration, place } from './format.js';
import * as route from './route.js';

/** The kinds that the title of a process without a label does not mention. */
const PLAIN = ['task', 'child'];
const KINDS = { task_set: 'task of a set', stream_item: 'item', task_supervisor: 'supervisor' };

/** A short word for the kind of a process. */
export function kindName(kind) {
  return KINDS[kind] ?? (kind ?? 'task').replaceAll('_', ' ');
}

/** The state of a task that waits for a worker. */
function queued(ms) {
  if (!(ms >= 100)) return { word: 'queued', level: 'busy' };
  return { word: `queued for ${duration(ms)}`, short: `queued ${duration(ms)}`, level: ms >= 1000 ? 'warning' : 'busy' };
}

/** A word for the state of a process, and how bad it is. `short` is for where there is little room. */
export function state(row) {
  if (row.in_poll_ms >= 100) return { word: `in one poll for ${duration(row.in_poll_ms)}`, short: `poll ${duration(row.in_poll_ms)}`, level: row.in_poll_ms >= 1000 ? 'critical' : 'warning', shape: 'running' };
  const states = {
    running: { word: row.worker === null || row.worker === undefined ? 'running' : `running on ${row.worker}`, level: 'busy' },
    waiting: { word: 'waiting', level: 'calm' },
    queued: queued(row.in_queue_ms),
    shutdown_requested: { word: 'shutting down', level: 'warning' },
    exiting: { word: 'exiting', level: 'warning' },
    abandoned: { word: 'abandoned', level: 'critical' },
    restarting: { word: row.backoff_ms ? `restarts in ${duration(row.backoff_ms)}` : 'restarting', level: 'warning' },
    stopped: { word: 'stopped', level: 'off' },
  };
  return states[row.state] ?? { word: (row.state ?? '').replaceAll('_', ' '), level: 'calm' };
}

/** The label of a process, or its id as a child, or its client. A process that has none of them is named by its place, or else by its pid. */
export function title(row) {
  const name = row.label ?? row.child_id ?? row.inactive_id ?? row.peer;
  if (name || !row.place) return name ?? row.pid;
  const file = row.place.split('/').at(-1);
  return PLAIN.includes(row.kind ?? 'task') ? file : `${kindName(row.kind)} at ${file}`;
}

/** A label beside its pid or another text, with the color of its state before it. */
export function name(beside = (row) => row.pid) {
  const dot = h('span', { class: 'dot', 'aria-hidden': 'true' });
  const label = h('a', { class: 'label', tabindex: -1 });
  const pid = h('span', { class: 'pid' });
  return {
    element: h('span', { class: 'name' }, dot, label, pid),
    show(row) {
      const { level } = state(row);
      dot.className = `dot ${level} ${row.kind ?? 'task'}`;
      text(label, title(row));
      label.classList.toggle('unnamed', !row.label && !row.child_id && !row.peer);
      attribute(label, 'href', row.pid ? route.task(row.pid) : null);
      text(pid, beside(row) ?? '');
    },
  };
}

/** Plain text; `read(row)` returns it. */
export function plain(read) {
  const element = h('span', {});
  return { element, show: (row) => text(element, read(row) ?? '–') };
}

/** A text, and another one for a narrow table. */
function twoTexts() {
  const full = h('span', { class: 'full' });
  const brief = h('span', { class: 'brief' });
  return {
    parts: [full, brief],
    show(long, short) {
      text(full, long);
      text(brief, short ?? long);
    },
  };
}

/** Plain text; a narrow table shows what `readBrief(row)` returns. */
export function plainOrBrief(read, readBrief) {
  const texts = twoTexts();
  return { element: h('span', {}, texts.parts), show: (row) => texts.show(read(row), readBrief(row)) };
}

/** A sentence that may take several lines. */
export function sentence(read) {
  const element = h('span', { class: 'wrapped' });
  return {
    element,
    show(row) {
      text(element, read(row) ?? '–');
      attribute(element, 'title', read(row));
    },
  };
}

/** A share as a bar, with its number; a narrow table shows what `writeBrief(row)` returns, if it is given. */
export function share(read, write, level = () => '', writeBrief = write) {
  const bar = new Bar();
  const texts = twoTexts();
  return {
    element: h('span', { class: 'share-cell' }, bar.element, h('span', { class: 'bar-number' }, texts.parts)),
    show(row) {
      bar.element.classList.toggle('idle', !(read(row) >= 0.005));
      bar.show(read(row), level(row));
      texts.show(write(row), writeBrief(row));
    },
  };
}

/** How many have failed, in the color of a warning if there are any. */
export function failures(write) {
  const element = h('span', {});
  return {
    element,
    show(row) {
      const failed = row.failed > 0 || row.timed_out > 0;
      element.className = `state-word ${failed ? 'warning' : ''}`;
      text(element, failed ? write(row) : 'none failed');
    },
  };
}

/** The state in a word; a narrow table has room for the short one. */
export function stateCell() {
  const texts = twoTexts();
  const element = h('span', {}, texts.parts);
  return {
    element,
    show(row) {
      const { word, short, level } = state(row);
      texts.show(word, short);
      element.className = `state-word ${level}`;
    },
  };
}

/** A place in source code; the tooltip has the whole path. */
export function placeCell(read = (row) => row.place) {
  const element = h('span', { class: 'place' });
  return {
    element,
    show(row) {
      const full = read(row);
      text(element, place(full));
      attribute(element, 'title', full);
    },
  };
}

/** A link to another process. */
export function linkCell(pid, label) {
  const element = h('a', { class: 'quiet', tabindex: -1 });
  return {
    element,
    show(row) {
      text(element, pid(row) ? label(row) ?? pid(row) : '–');
      attribute(element, 'href', pid(row) ? route.task(pid(row)) : null);
    },
  };
}
