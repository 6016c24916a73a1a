// The tables of streams, servers, task sets and connections, and of the audit log.

import * as cells from './cells.js';
import { clock, count, duration, many, percent, rate } from './format.js';
import { live } from './live.js';
import * as route from './route.js';
import { Table } from './table.js';

function list(options) {
  return () => {
    const open = (row) => row.pid && (location.hash = route.task(row.pid));
    const table = new Table({ open, ...options });
    return { element: table.element, refresh: () => table.load(), close: () => table.close() };
  };
}

const name = { title: 'Task', width: 'minmax(12rem, 2fr)', small: 'lead', cell: cells.name };
const where = { title: 'Place', width: 'minmax(10rem, 1.5fr)', small: 'sub2', cell: () => cells.placeCell() };
const age = { title: 'Age', width: '7rem', align: 'end', drop: 1, cell: () => cells.plain((row) => duration(row.age_ms)) };

function number(title, read, more = {}) {
  return { title, width: '6.5rem', align: 'end', cell: () => cells.plain((row) => count(read(row))), ...more };
}

/** The length of a source that claims to have more items than this, such as an open range, is not shown. */
const UNKNOWN = 1e15;

/** The progress of a stream: the finished part if its length is known, or else how many of the items that may run at once do run. */
function progress() {
  const done = (row) => row.completed + row.failed;
  const known = (row) => row.total !== null && row.total !== undefined && row.total < UNKNOWN;
  return cells.share(
    (row) => (known(row) ? done(row) / Math.max(1, row.total) : row.in_flight / Math.max(1, row.max ?? row.in_flight)),
    (row) => (known(row) ? `${count(done(row))} of ${count(row.total)}` : `${count(done(row))} done`),
    (row) => (row.failed > 0 || row.timed_out > 0 ? 'warning' : ''),
    (row) => (known(row) ? percent(done(row) / Math.max(1, row.total)) : `${count(done(row))} done`),
  );
}

function inFlight(row) {
  return row.max ? `${count(row.in_flight)} of ${count(row.max)}` : count(row.in_flight);
}

export const streams = list({
  path: 'api/streams',
  title: 'Streams',
  label: 'Streams that run now',
  none: 'No stream is running. Streams are listed here from their first item to their last.',
  columns: [
    name,
    { title: 'Progress', width: 'minmax(15rem, 1.6fr)', small: 'tail', cell: progress },
    { title: 'In flight', width: '7.5rem', align: 'end', drop: 2, cell: () => cells.plain(inFlight) },
    number('Completed', (row) => row.completed, { drop: 4 }),
    { title: 'Failed', width: '6rem', align: 'end', small: 'sub', cell: () => cells.failures((row) => (row.failed > 0 ? `${count(row.failed)} failed` : `${count(row.timed_out)} timed out`)) },
    number('Buffered', (row) => row.buffered, { drop: 3 }),
    { title: 'Per second', width: '6rem', align: 'end', drop: 1, cell: () => cells.plain((row) => rate(row.per_second)) },
    age,
    where,
  ],
});

/** How full a mailbox is. */
function fullness(row) {
  return row.mailbox.length / Math.max(1, row.mailbox.capacity);
}

export const servers = list({
  path: 'api/servers',
  title: 'Servers',
  label: 'Servers',
  none: 'No server is running. Servers are listed here with their mailboxes and the messages that they handle.',
  columns: [
    { ...name, title: 'Server' },
    {
      title: 'Mailbox', width: 'minmax(12rem, 1.4fr)', small: 'tail',
      cell: () => cells.share(fullness, (row) => `${count(row.mailbox.length)} of ${count(row.mailbox.capacity)}`, (row) => (fullness(row) >= 0.8 || row.mailbox.waiting > 0 ? 'critical' : fullness(row) >= 0.5 ? 'warning' : '')),
    },
    { title: 'Waiting for room', width: '9rem', align: 'end', drop: 2, cell: () => cells.plain((row) => count(row.mailbox.waiting)) },
    { title: 'Oldest message', width: '8rem', align: 'end', cell: () => cells.plain((row) => (row.mailbox.oldest_ms === null ? '–' : duration(row.mailbox.oldest_ms))) },
    { title: 'Handled per second', width: '9rem', align: 'end', drop: 2, cell: () => cells.plain((row) => rate(row.handled_per_s)) },
    { title: 'In hand', width: 'minmax(8rem, 1fr)', small: 'sub', cell: () => cells.plain((row) => row.mailbox.in_hand ?? 'idle') },
    { title: 'Restarts', width: '6.5rem', align: 'end', drop: 3, cell: () => cells.plain((row) => count(row.restarts)) },
    { ...where, title: 'Spawned at' },
  ],
});

/** How many of the tasks that a set has spawned have ended. */
function doneOfSpawned() {
  const done = (row) => row.completed + row.failed;
  const spawned = (row) => done(row) + row.live;
  return cells.share(
    (row) => done(row) / Math.max(1, spawned(row)),
    (row) => `${count(done(row))} of ${count(spawned(row))}`,
    (row) => (row.failed > 0 ? 'warning' : ''),
  );
}

export const sets = list({
  path: 'api/task_sets',
  title: 'Task sets',
  label: 'Task sets',
  none: 'There is no task set. Task sets are listed here from their first task until they are dropped.',
  columns: [
    { ...name, title: 'Owner' },
    { title: 'Done', width: 'minmax(13rem, 1.6fr)', small: 'tail', cell: doneOfSpawned },
    number('Live', (row) => row.live),
    { title: 'Failed', width: '6rem', align: 'end', small: 'sub', cell: () => cells.failures((row) => `${count(row.failed)} failed`) },
    age,
    where,
  ],
});

export const connections = list({
  path: 'api/connections',
  title: 'Connections',
  label: 'Connections',
  none: 'No connection is open. Connections of cordial-http are listed here while they are open.',
  columns: [
    // The label of a connection of cordial-http is its client.
    { ...name, title: 'Connection', width: 'minmax(12rem, 4fr)', cell: () => cells.name((row) => (row.peer && row.peer !== cells.title(row) ? row.peer : row.pid)) },
    { title: 'State', width: '9rem', small: 'sub', cell: cells.stateCell },
    { title: 'Requests', width: '9rem', align: 'end', small: 'tail', cell: () => cells.plain((row) => (row.requests === null || row.requests === undefined ? '–' : many(row.requests, 'request'))) },
    { title: 'Busy', width: '9rem', drop: 2, cell: () => cells.share((row) => row.busy_share, (row) => percent(row.busy_share)) },
    age,
  ],
});

export const audit = list({
  path: 'api/audit',
  title: 'Audit',
  label: 'Actions that were taken through this observer',
  none: () => (Object.values(live.overview.rights ?? {}).includes(true) ? 'No action was taken, and no request was refused.' : 'No action was taken, and no request was refused. Actions are off until the program enables them.'),
  wraps: true,
  columns: [
    { title: 'When', width: '5.5rem', small: 'lead', cell: () => cells.plainOrBrief((row) => clock(row.at_ms), (row) => `${clock(row.at_ms)} · ${row.who}`) },
    { title: 'Who', width: 'minmax(7rem, 0.7fr)', cell: () => cells.plain((row) => row.who) },
    { title: 'Action', width: '9rem', small: 'tail', cell: () => cells.plain((row) => row.action?.replaceAll('_', ' ')) },
    { title: 'Process', width: 'minmax(8rem, 0.8fr)', small: 'sub', cell: () => cells.linkCell((row) => row.pid, (row) => row.label) },
    { title: 'Result', width: 'minmax(16rem, 4fr)', small: 'sub2', cell: () => cells.sentence((row) => row.result) },
  ],
});
