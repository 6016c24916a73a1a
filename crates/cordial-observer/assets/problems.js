// What is wrong, in one strip above every view: the worst problem first, and those that are over last. Each sentence is a link to its reason.

import { h, keyed, speak, text, attribute } from './dom.js';
import { duration, literal, many, place } from './format.js';
import { live } from './live.js';
import * as route from './route.js';

const SHOWN = 3;
/** On a narrow screen only the worst problem stands above the views other than the overview. */
const NARROW = matchMedia('(max-width: 48rem)');
/** How long a problem that is over stays, so that the page does not jump. */
const STAYS_MS = 5_000;
const recent = new Map();
/** The level of each problem when it was said last, by the key of the problem. A sentence whose numbers rise is not said again. */
let said = new Map();

/** Where a warning leads to. The place of a crash is not a place where tasks are spawned. */
export function link(warning) {
  if (warning.pid) return route.task(warning.pid);
  if (warning.view === 'crashes') return route.to('crashes', null, { text: literal(warning.place) });
  if (warning.place) return route.to('tasks', null, { place: warning.place });
  return route.to('warnings');
}

/** The sentence of a warning, with its place as the page shows places. */
export function sentence(warning) {
  return warning.place ? warning.sentence.replaceAll(warning.place, place(warning.place)) : warning.sentence;
}

/** How bad a level is: 0 is the worst. */
function weight(level) {
  return ['critical', 'warning', 'notice'].indexOf(level);
}

/** How much of a label is in a sentence, in characters. */
const LABEL_LENGTH = 60;

function shortened(label) {
  const letters = [...label];
  return letters.length > LABEL_LENGTH ? `${letters.slice(0, LABEL_LENGTH).join('')}…` : label;
}

function longPoll(poll) {
  const name = poll.label ? shortened(poll.label) : poll.pid;
  const worker = poll.worker === null || poll.worker === undefined ? '' : ` It holds worker ${poll.worker}.`;
  // The time first: a label may be long.
  const words = `In one poll for ${duration(poll.for_ms)}: ${name}, spawned at ${place(poll.place)}.${worker}`;
  return { key: `poll ${poll.pid}`, level: poll.for_ms >= 1000 ? 'critical' : 'warning', sentence: words, href: route.task(poll.pid) };
}

/** The problems of this moment, worst first. */
export function problems() {
  const overview = live.overview;
  if (!overview) return [];
  const found = [];
  // A tick has `closed` itself; the first answer has it in `program`.
  if (overview.closed ?? overview.program?.closed) {
    found.push({ key: 'closed', level: 'warning', sentence: 'The runtime was shut down: no process can be started any more.', href: route.to('tree') });
  }
  const warnings = overview.warnings ?? [];
  const polls = overview.long_polls ?? [];
  const polling = new Set(polls.map((poll) => poll.pid));
  for (const poll of polls) found.push(longPoll(poll));
  for (const warning of warnings) {
    if (polling.has(warning.pid) && warning.kind === 'stuck_poll') continue;
    found.push({ key: warning.kind === 'stuck_poll' ? `poll ${warning.pid}` : warning.id, level: warning.severity, sentence: sentence(warning), href: link(warning) });
  }
  const crashed = overview.crashes_last_minute ?? 0;
  if (crashed > 0 && !warnings.some((warning) => warning.view === 'crashes')) {
    const words = `${many(crashed, 'task')} crashed in the last minute.`;
    found.push({ key: 'crashes', level: 'warning', sentence: words, href: route.to('crashes') });
  }
  return found.sort((a, b) => weight(a.level) - weight(b.level));
}

/** Adds the problems that ended in the last few seconds. */
function withRecent(found) {
  const now = Date.now();
  for (const problem of found) recent.set(problem.key, { problem, at: now });
  for (const [key, { problem, at }] of recent) {
    if (now - at > STAYS_MS) recent.delete(key);
    else if (!found.includes(problem)) found.push({ ...problem, level: 'over', sentence: `${problem.sentence} It is over.` });
  }
  return found;
}

function make() {
  return h('li', {}, h('a', { class: 'problem' }, h('span', { class: 'mark', 'aria-hidden': 'true' }), h('span', { class: 'sentence' })));
}

function fill(item, problem) {
  const anchor = item.firstElementChild;
  item.className = problem.level;
  attribute(anchor, 'href', problem.href);
  text(anchor.querySelector('.mark'), problem.level === 'critical' ? '!' : '·');
  text(anchor.querySelector('.sentence'), problem.sentence);
}

/** Says the problems that are new or have become worse, and that the last one is over. A problem that comes back while it is shown as over is not new. */
function speakNews(found) {
  const worse = (problem) => !said.has(problem.key) || weight(problem.level) < weight(said.get(problem.key));
  const news = found.filter((problem) => problem.level !== 'over' && worse(problem));
  if (news.length > 0) speak(news.slice(0, SHOWN).map((problem) => problem.sentence).join(' '));
  else if (found.length === 0 && said.size > 0) speak('Nothing is wrong any more.');
  const worst = (problem) => (problem.level === 'over' || !worse(problem) ? said.get(problem.key) : problem.level);
  said = new Map(found.map((problem) => [problem.key, worst(problem)]));
}

/** Shows the problems. While the program does not answer, the first problem is that it does not. */
export function show(section) {
  const found = withRecent(problems());
  const lost = live.status === 'lost';
  if (lost) {
    const since = live.lostAt ? duration(Date.now() - live.lostAt) : '';
    const old = live.overview ? ' What is shown is from before.' : '';
    const words = live.refused ? `${live.sentence}. Trying again.` : `${live.sentence} No answer for ${since}; trying again.`;
    found.unshift({ key: 'lost', level: 'critical', sentence: `${words}${old}`, href: route.to('overview') });
  }
  if (live.restartedAt && Date.now() - live.restartedAt < 30_000) {
    const words = 'The program was restarted. Processes and history from before are gone.';
    found.push({ key: 'restarted', level: 'warning', sentence: words, href: route.to('overview') });
  }
  speakNews(found);
  const shown = found.slice(0, NARROW.matches && route.current().view !== 'overview' ? 1 : SHOWN);
  const more = found.length - shown.length;
  if (more > 0) shown.push({ key: 'more', level: 'warning', sentence: `and ${many(more, 'more problem')}`, href: route.to('warnings') });
  section.hidden = live.overview === null && !lost;
  section.className = found.some((problem) => problem.level === 'critical') ? 'critical' : found.some((problem) => problem.level !== 'over') ? 'warning' : 'good';
  let list = section.querySelector('ul');
  if (!list) section.replaceChildren((list = h('ul', {})));
  if (found.length === 0) shown.push({ key: 'good', level: 'good', sentence: live.status === 'paused' ? 'Nothing was wrong when the page was paused.' : 'Nothing is wrong.', href: route.to('warnings') });
  keyed(list, shown, (problem) => problem.key, make, fill);
}
