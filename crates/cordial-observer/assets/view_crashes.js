// The crash log, grouped by the place and the kind of the crash, and one crash with its chain.

import { get, oneByOne } from './api.js';
import { Bar } from './chart.js';
import { h, keyed, redraw, replace, text, attribute } from './dom.js';
import { ago, clock, count, duration, literal, many, place } from './format.js';
import { live } from './live.js';
import { log } from './log.js';
import * as route from './route.js';
import { textFilter } from './table.js';

function makeGroup() {
  const bar = new Bar('large');
  const parts = { bar, n: h('strong', { class: 'group-count' }), message: h('a', { class: 'group-message' }), where: h('span', { class: 'place' }), about: h('span', { class: 'muted' }) };
  const item = h('li', { class: 'group' }, h('span', { class: 'group-number' }, parts.n, bar.element), h('span', { class: 'group-words' }, parts.message, h('span', { class: 'group-about' }, parts.where, parts.about)));
  item.parts = parts;
  return item;
}

function fillGroup(item, group, most) {
  const { bar, n, message, where, about } = item.parts;
  text(n, count(group.count));
  bar.show(group.count / most, 'critical');
  text(message, group.message || group.exit_kind);
  attribute(message, 'href', route.to('crash', String(group.n)));
  text(where, place(group.place));
  attribute(where, 'title', group.place);
  const labels = (group.labels ?? []).join(', ');
  const when = group.count > 1 ? `last ${ago(group.last_at_ms, live.now())}, first ${ago(group.first_at_ms, live.now())}` : ago(group.last_at_ms, live.now());
  text(about, [when, labels].filter(Boolean).join(' · '));
}

export function crashes({ parameters }) {
  const list = h('ol', { class: 'groups' });
  const none = h('p', { class: 'empty', hidden: true });
  const error = h('p', { class: 'filter-error', role: 'alert', hidden: true });
  const summary = h('p', { class: 'summary' }, 'Loading…');
  const filter = textFilter('Filter by message, place or label');
  filter.value = parameters.text ?? '';
  filter.addEventListener('input', () => {
    route.replace({ text: filter.value });
    refresh();
  });
  const form = h('form', { class: 'filters', role: 'search', onsubmit: (event) => event.preventDefault() }, filter, summary);
  const element = h('section', { class: 'column' }, h('h2', { 'data-start': true, tabindex: -1 }, 'Crashes by place'), form, error, list, none);
  const refresh = oneByOne(async () => {
    const asked = filter.value;
    try {
      // The groups count all crashes; no rows are needed.
      const answer = await get('api/crashes', { text: asked, limit: 0 });
      // This answer is for an older filter. The answer for the new filter is on its way.
      if (asked !== filter.value) return;
      const most = Math.max(1, ...answer.groups.map((group) => group.count));
      keyed(list, answer.groups, (group) => `${group.place} ${group.exit_kind}`, makeGroup, (item, group) => fillGroup(item, group, most));
      none.hidden = answer.groups.length > 0;
      text(none, asked ? 'No crash matches the filter.' : 'Nothing has crashed.');
      const places = new Set(answer.groups.map((group) => group.place));
      text(summary, answer.matched > 0 ? `${many(answer.matched, 'crash', 'crashes')} at ${many(places.size, 'place')}` : '');
      error.hidden = true;
    } catch (failure) {
      if (asked !== filter.value) return;
      error.hidden = false;
      text(error, failure.message);
    }
  });
  return { element, refresh };
}

function link(process) {
  return h('a', { href: route.task(process.pid), class: 'quiet' }, process.label ?? process.pid);
}

/** Messages from the outermost to the cause, each one step further in. */
function chain(crash) {
  const steps = crash.chain?.length ? crash.chain : [crash.message];
  return h('ol', { class: 'chain' }, steps.map((step) => h('li', {}, h('span', {}, step))));
}

export function crash({ id }) {
  const element = h('section', { class: 'column crash' }, h('p', { class: 'muted' }, 'Loading the crash…'));
  let done = false;
  /** The sentence of the failure that is shown. */
  let failed = null;
  const refresh = oneByOne(async () => {
    if (done) return;
    try {
      const found = await get(`api/crashes/${encodeURIComponent(id)}`);
      done = true;
      draw(found);
    } catch (failure) {
      // Drawn once, so that the focus stays.
      if (failed === failure.message) return;
      failed = failure.message;
      redraw(element, h('h2', {}, `Crash ${id}`), h('p', { class: 'filter-error' }, failure.message), h('p', {}, h('a', { href: route.to('crashes') }, 'All crashes')));
    }
  });
  function draw(found) {
    const above = (found.ancestors ?? []).flatMap((process) => [' › ', link(process)]);
    const facts = [
      ['Crashed at', h('span', { class: 'place' }, found.place ?? 'an unknown place')],
      ['When', `${clock(found.at_ms)}, ${ago(found.at_ms, live.now())}, after ${duration(found.age_ms)} of life`],
      ['Process', [link(found), found.label ? ` ${found.pid}` : '', found.incarnation > 1 ? `, incarnation ${found.incarnation}` : '']],
      ['Spawned at', h('span', { class: 'place' }, found.spawned_at ?? 'an unknown place')],
      above.length ? ['Ancestors', above.slice(1)] : null,
      found.same_place > 1 ? ['Same place', h('a', { href: route.to('crashes', null, { text: literal(found.place) }) }, many(found.same_place, 'crash', 'crashes'))] : null,
    ].filter(Boolean);
    replace(element,
      h('h2', { class: 'crash-title' }, found.message || found.exit_kind),
      h('dl', { class: 'facts' }, facts.map(([term, value]) => [h('dt', {}, term), h('dd', {}, value)])),
      h('h3', {}, 'Why'), chain(found),
      log(found.log),
      found.backtrace ? [h('h3', {}, 'Backtrace'), h('pre', { class: 'backtrace', tabindex: 0 }, found.backtrace)] : h('p', { class: 'muted' }, 'No backtrace was captured. Start the program with RUST_BACKTRACE=1 to have one.'));
  }
  return { element, refresh };
}
