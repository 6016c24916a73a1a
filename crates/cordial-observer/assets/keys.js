// What the keys do, everywhere on the page.

import { h } from './dom.js';
import { VIEWS } from './header.js';

const KEYS = [
  ['1 … 9, 0', 'go to the first to the tenth view'],
  ['/', 'go to the filter'],
  ['↑ ↓ PgUp PgDn Home End', 'move in rows'],
  ['→ ←', 'open and close a branch of the tree'],
  ['Enter', 'open the row'],
  ['s, r', 'sort by the next column, reverse the order'],
  ['u, Backspace', 'back to where you came from'],
  ['x', 'shut down or kill (on the page of a task, if allowed)'],
  ['p', 'pause and continue'],
  ['t', 'theme: system, light, dark'],
  ['Tab', 'go to the next field, link or list'],
  ['?', 'show these keys'],
];

/** The dialog that lists the keys. */
export function help() {
  const dialog = h('dialog', { class: 'help', 'aria-label': 'Keys' },
    h('h2', {}, 'Keys'),
    h('dl', {}, KEYS.map(([key, does]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, does)])),
    h('form', { method: 'dialog' }, h('button', { class: 'primary', autofocus: true }, 'Close')));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Listens for keys that are not pressed in a field. */
export function listen({ go, back, pause, theme, act }) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if (event.target.matches('input, select, textarea')) {
      if (event.key === 'Escape') leave(event);
      return;
    }
    const index = '1234567890'.indexOf(event.key);
    const does = {
      '?': help,
      '/': focusFilter,
      p: pause,
      t: theme,
      u: back,
      Backspace: back,
      x: act,
    };
    if (index >= 0 && event.key.length === 1 && VIEWS[index]) go(VIEWS[index].name);
    else if (Object.hasOwn(does, event.key)) does[event.key]();
    else return;
    event.preventDefault();
  });
}

function focusFilter() {
  const field = document.querySelector('main [data-main]');
  field?.focus();
  field?.select();
}

/** Escape in a filter: empties it, or else goes to the rows. */
function leave(event) {
  const field = event.target;
  if (field.value && field.matches('[type=search]')) return;
  event.preventDefault();
  (document.querySelector('main .rows') ?? document.getElementById('main')).focus();
}
