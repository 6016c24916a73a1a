// Starts the page: exchanges the token of the address, follows the program, and shows the view that the address names.

import { post } from './api.js';
import { h, text } from './dom.js';
import { Header } from './header.js';
import * as keys from './keys.js';
import { live } from './live.js';
import * as problems from './problems.js';
import * as route from './route.js';
import * as theme from './theme.js';
import { audit, connections, servers, sets, streams } from './view_lists.js';
import { crash, crashes } from './view_crashes.js';
import { overview } from './view_overview.js';
import { polls, warnings } from './view_now.js';
import { task } from './view_task.js';
import { tasks } from './view_tasks.js';
import { tree } from './view_tree.js';

const VIEWS = { overview, tree, tasks, task, streams, servers, sets, connections, crashes, crash, polls, warnings, audit };

const main = document.getElementById('main');
const strip = document.getElementById('problems');
const header = new Header(document.getElementById('header'), document.getElementById('nav'), keys.help);
let shown = null;

/** Makes the view of the address. A view is `{ element, refresh(), close(), act() }`; some have no `close` or `act`. */
function show() {
  if (!live.overview || live.status === 'forbidden') return;
  const where = route.current();
  shown?.close?.();
  const make = Object.hasOwn(VIEWS, where.view) ? VIEWS[where.view] : null;
  shown = make ? make(where) : unknown(where.view);
  main.className = `view-${make ? where.view : 'unknown'}`;
  main.replaceChildren(shown.element);
  main.scrollTop = 0;
  header.mark(where.view);
  problems.show(strip);
  shown.refresh();
  const first = main.querySelector('[data-start]') ?? main.querySelector('.rows') ?? main;
  first.focus({ preventScroll: true });
}

function unknown(name) {
  const element = h('p', { class: 'empty' }, `There is no view named “${name}”. `, h('a', { href: route.to('overview') }, 'Go to the overview.'));
  return { element, refresh() {} };
}

/** The form for the token, shown instead of a view. */
function forbidden() {
  shown?.close?.();
  shown = null;
  strip.hidden = true;
  const error = h('p', { class: 'filter-error', role: 'alert' }, live.sentence);
  const field = h('input', { type: 'password', name: 'token', 'aria-label': 'Token', autocomplete: 'off', required: true });
  const submit = async (event) => {
    event.preventDefault();
    text(error, 'Checking the token…');
    try {
      await exchange(field.value.trim());
      text(error, '');
      live.connect();
    } catch (failure) {
      text(error, failure.message);
      field.select();
    }
  };
  const words = 'The program prints an address with a token when its observer starts. Open that address, or enter the token.';
  main.className = 'view-token';
  main.replaceChildren(h('form', { class: 'token', onsubmit: submit }, h('h1', {}, 'This observer asks for a token'), h('p', {}, words), field, h('button', { class: 'primary' }, 'Continue'), error));
  field.focus();
}

/** Exchanges a token for the cookie of the session. */
function exchange(token) {
  return post('session', { token });
}

/** Takes the token out of the address before anything else sees it. */
async function takeToken() {
  const inQuery = new URLSearchParams(location.search).get('token');
  const inHash = /^#token=(.*)$/.exec(location.hash)?.[1];
  const token = inQuery ?? (inHash && route.decode(inHash));
  if (!token) return null;
  history.replaceState(null, '', location.pathname + (inHash ? '' : location.hash));
  try {
    await exchange(token);
    return null;
  } catch (error) {
    return error;
  }
}

function status() {
  header.show();
  if (live.status === 'forbidden') forbidden();
  else problems.show(strip);
  document.body.dataset.status = live.status;
}

function tick() {
  header.show();
  problems.show(strip);
  if (shown) shown.refresh();
  else show();
}

theme.apply(theme.chosen());
live.addEventListener('status', status);
live.addEventListener('tick', tick);
live.addEventListener('restart', () => {
  live.restartedAt = Date.now();
});
setInterval(() => live.status === 'lost' && problems.show(strip), 1000);
// A view that writes its filters into the address causes no `hashchange`. So the view is made anew at each one, even if only the filters differ.
window.addEventListener('hashchange', show);
document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
keys.listen({
  go: (view) => (location.hash = route.to(view)),
  back: () => history.back(),
  pause: () => live.toggle(),
  theme: () => header.nextTheme(),
  act: () => shown?.act?.(),
});
const refusals = {
  '#wrong-token': 'The token in the address is wrong. It may be that of an earlier start of the program.',
  '#unchecked-token': 'Clients send too many wrong tokens, so the one in the address was not checked. Open the address again in a few seconds.',
};
if (Object.hasOwn(refusals, location.hash)) {
  const sentence = refusals[location.hash];
  history.replaceState(null, '', location.pathname);
  live.set('forbidden', sentence);
} else {
  const refused = await takeToken();
  if (refused && refused.status !== 0) live.set('forbidden', refused.message);
  else live.connect();
}
