// Actions on processes: each is confirmed, and its answer says what really happened. The server decides what is allowed.

import { post } from './api.js';
import { h, text } from './dom.js';
import { many } from './format.js';

const ACTIONS = [
  { kind: 'shut_down', title: 'Shut down', does: 'It is asked to end, may clean up, and is killed if it has not ended after its grace time.' },
  { kind: 'kill', title: 'Kill', does: 'It ends at its next await, and gets no time to clean up. A poll that runs cannot be interrupted.', hard: true },
  { kind: 'restart', title: 'Restart', does: 'It is ended, and its supervisor starts it again.', child: true },
  { kind: 'shut_down_subtree', title: 'Shut down with children', does: 'It and all processes below it are asked to end, may clean up, and are killed if they have not ended after the grace time.', tree: true },
  { kind: 'kill_subtree', title: 'Kill with children', does: 'It and all processes below it are killed.', tree: true, hard: true },
];

/** How long the page waits for the answer to an action: children may use up their grace times one after the other. */
const PATIENCE_MS = 300_000;

/** The actions that may be offered for a process. */
export function offered(rights, task, children) {
  return ACTIONS.filter((action) => rights?.[action.kind] && (!action.tree || children > 0) && (!action.child || task.child_id));
}

/** Asks for confirmation, acts, and shows the answer in the same dialog. */
export function confirm(actions, task, children) {
  const name = task.label ?? task.child_id ?? task.pid;
  const answer = h('p', { class: 'answer', role: 'status' });
  const choices = actions.map((action, index) => h('label', { class: 'choice' },
    h('input', { type: 'radio', name: 'kind', value: action.kind, checked: index === 0 }),
    h('span', {}, h('strong', {}, action.title), h('span', { class: 'muted' }, ` ${action.does}`))));
  const go = h('button', { type: 'submit', class: 'danger' }, actions[0].title);
  const cancel = h('button', { type: 'button', class: 'plain', autofocus: true, onclick: () => dialog.close() }, 'Cancel');
  const below = children > 0 ? ` ${many(children, 'process', 'processes')} below it.` : '';
  const form = h('form', { onsubmit: submit }, h('h2', {}, `End ${name}?`), h('p', { class: 'muted' }, `${task.pid}, spawned at ${task.place ?? 'an unknown place'}.${below}`), choices, answer, h('div', { class: 'buttons' }, cancel, go));
  const dialog = h('dialog', { class: 'confirm', 'aria-label': `End ${name}` }, form);
  form.addEventListener('change', () => text(go, actions.find((action) => action.kind === form.elements.kind.value).title));

  async function submit(event) {
    event.preventDefault();
    go.disabled = true;
    text(cancel, 'Close');
    text(answer, 'Asking the program…');
    answer.className = 'answer';
    try {
      const result = await post('api/actions', { kind: form.elements.kind.value, pid: task.pid }, PATIENCE_MS);
      text(answer, result.result);
      answer.classList.add('done');
    } catch (error) {
      text(answer, error.message);
      answer.classList.add('failed');
    }
    cancel.focus();
    go.disabled = false;
  }

  dialog.addEventListener('close', () => {
    dialog.remove();
    // The button that opened the dialog may be a new element by now.
    document.querySelector('main [data-keep="act"]')?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}
