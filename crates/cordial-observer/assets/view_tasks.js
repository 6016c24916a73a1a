// The table of all processes.

import * as cells from './cells.js';
import { count, duration, percent } from './format.js';
import { h } from './dom.js';
import * as route from './route.js';
import { Table, choice, textFilter } from './table.js';

const STATES = [['', 'every state'], ['running', 'running'], ['queued', 'queued'], ['waiting', 'waiting'], ['shutdown_requested', 'shutting down'], ['exiting', 'exiting'], ['abandoned', 'abandoned']];
const KINDS = [['', 'every kind'], ['task', 'tasks'], ['server', 'servers'], ['supervisor', 'supervisors'], ['task_supervisor', 'task supervisors'], ['child', 'other children'], ['stream_item', 'stream items'], ['task_set', 'tasks of sets'], ['connection', 'connections']];
const TOP = [['', 'all rows'], ['10', 'top 10'], ['50', 'top 50'], ['500', 'top 500']];

export function mailbox(row) {
  return row.mailbox ? `${count(row.mailbox.length)} of ${count(row.mailbox.capacity)}` : '–';
}

/** The columns of a table of processes. */
export const COLUMNS = [
  { title: 'Task', sort: 'label', ascending: true, width: 'minmax(14rem, 2.2fr)', small: 'lead', cell: cells.name },
  { title: 'Busy', sort: 'busy_share', width: '9rem', small: 'tail', cell: () => cells.share((row) => row.busy_share, (row) => percent(row.busy_share), (row) => cells.state(row).level) },
  { title: 'State', sort: 'state', width: '12.5rem', small: 'sub', cell: cells.stateCell },
  { title: 'Age', sort: 'age', width: '7rem', align: 'end', cell: () => cells.plain((row) => duration(row.age_ms)) },
  { title: 'Polls', sort: 'polls', width: '6.5rem', drop: 2, align: 'end', cell: () => cells.plain((row) => count(row.polls)) },
  { title: 'Long polls', sort: 'long_polls', width: '7rem', drop: 5, align: 'end', cell: () => cells.plain((row) => count(row.long_polls)) },
  { title: 'Mailbox', sort: 'mailbox', width: '8rem', align: 'end', drop: 3, cell: () => cells.plain(mailbox) },
  { title: 'Spawned at', sort: 'place', ascending: true, width: 'minmax(10rem, 1.6fr)', small: 'sub2', cell: () => cells.placeCell() },
  { title: 'Caller', width: 'minmax(7rem, 1fr)', drop: 4, cell: () => cells.linkCell((row) => row.caller, (row) => row.caller_label) },
  { title: 'Supervisor', width: 'minmax(7rem, 1fr)', drop: 1, cell: () => cells.linkCell((row) => row.supervisor, (row) => row.supervisor_label) },
];

function supervisorFilter(parameters) {
  if (!parameters.supervisor) return null;
  return h('input', { name: 'supervisor', type: 'search', 'aria-label': 'Supervisor', placeholder: 'supervisor', value: parameters.supervisor });
}

export function tasks({ parameters }) {
  const table = new Table({
    path: 'api/tasks',
    label: 'Tasks. Enter opens one.',
    columns: COLUMNS,
    sort: 'busy_share',
    filters: [
      textFilter('Filter by label, pid or place'),
      choice('state', 'State', STATES),
      choice('kind', 'Kind', KINDS),
      choice('top', 'Rows', TOP),
      textFilter('place', 'place'),
      supervisorFilter(parameters),
    ].filter(Boolean),
    open: (row) => (location.hash = route.task(row.pid)),
    none: 'No process is alive.',
  });
  return { element: table.element, refresh: () => table.load(), close: () => table.close() };
}
