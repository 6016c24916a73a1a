// The supervision tree. A branch is loaded when it is opened, and only the pages of it that the visible rows need.

import { get, oneByOne } from './api.js';
import * as cells from './cells.js';
import { Bar } from './chart.js';
import { h, text, attribute } from './dom.js';
import { count, duration, many, percent } from './format.js';
import { live } from './live.js';
import * as route from './route.js';
import { Rows } from './rows.js';

const PAGE = 100;
const NARROW = matchMedia('(max-width: 48rem)');
/** Branches that are seen for the first time are open, as long as the tree has no more rows than this. */
const OPEN_AT_FIRST = 40;

/** How many processes are remembered as seen. */
const MOST_SEEN = 10_000;

/** The open branches and the position of the tree, which are kept while another view is shown. */
const open = new Set();
const seen = new Set();
let left = null;
live.addEventListener('restart', () => {
  open.clear();
  seen.clear();
  left = null;
});

/** What distinguishes the branches of the tree: the process, or the place of rows that look the same. */
function keyOf(node, parent) {
  return node.pid ?? (node.alike ? `${parent.key} ${node.alike.place}` : null);
}

/** An open branch: how many children there are, and those that were loaded. */
class Branch {
  constructor(node, parent) {
    const key = node ? keyOf(node, parent) : null;
    const depth = parent ? parent.depth + 1 : 0;
    // A branch of rows that look the same asks for the children of its parent at this place.
    const asks = { parent: node?.pid ?? parent?.pid, alike: node?.alike?.place, fold: node?.alike ? null : 'true' };
    Object.assign(this, { pid: asks.parent, key, asks, parent, depth, total: node?.children ?? 0, rows: new Map(), branches: new Map(), loaded: false });
  }

  /** How many rows it takes, with the open branches below it. */
  get size() {
    let size = this.total;
    for (const branch of this.branches.values()) size += branch.size;
    return size;
  }

  /** The open branches in the order of their rows. */
  open() {
    return [...this.branches.entries()].sort((a, b) => a[0] - b[0]);
  }

  /** The branch and the index in it of a row of the whole tree. */
  locate(row) {
    let passed = 0;
    for (const [index, branch] of this.open()) {
      if (row - passed <= index) break;
      const inside = row - passed - index - 1;
      const size = branch.size;
      if (inside < size) return branch.locate(inside);
      passed += size;
    }
    return { branch: this, index: row - passed };
  }

  /** The row of the whole tree at which the child with this index stands, counted from the first child. */
  row(index) {
    let row = index;
    for (const [at, branch] of this.open()) if (at < index) row += branch.size;
    return row;
  }

  /** Takes a page, and finds the open branches of its rows again: they may have moved. */
  take(answer, open) {
    this.total = answer.matched;
    this.loaded = true;
    for (const index of this.rows.keys()) if (index >= this.total) this.rows.delete(index);
    for (const index of this.branches.keys()) if (index >= this.total) this.branches.delete(index);
    const known = new Map([...this.branches.values()].map((branch) => [branch.key, branch]));
    answer.rows.forEach((node, at) => {
      const index = answer.offset + at;
      this.rows.set(index, node);
      this.branches.delete(index);
      const key = keyOf(node, this);
      if (!key || !open.has(key) || node.children === 0) return;
      for (const [other, branch] of this.branches) if (branch.key === key) this.branches.delete(other);
      this.branches.set(index, known.get(key) ?? new Branch(node, this));
    });
  }
}

/** What a supervisor does, in a few words. */
function about(node) {
  const kept = node.supervision;
  if (node.inactive) return node.backoff_ms ? `restarts in ${duration(node.backoff_ms)}` : node.inactive_state === 'restarting' ? 'waits for its restart' : 'stopped';
  const parts = [];
  if (kept) {
    parts.push(kept.strategy.replaceAll('_', ' '));
    if (kept.intensity?.used > 0) parts.push(`${count(kept.intensity.used)} of ${count(kept.intensity.limit)} restarts in ${duration(kept.intensity.window_ms)}`);
    if (kept.max_children) parts.push(`at most ${count(kept.max_children)}`);
    if (kept.next_restart_ms) parts.push(`next restart in ${duration(kept.next_restart_ms)}`);
  }
  return parts.join(' · ');
}

function level(node) {
  if (node.inactive) return node.inactive_state === 'restarting' ? 'warning' : 'off';
  return cells.state(node).level;
}

export function tree() {
  const root = new Branch(null, null);
  /** The position to go to as soon as the tree has enough rows, unless the person goes elsewhere first. */
  let wantedPlace = left;
  const summary = h('p', { class: 'summary' }, 'Loading…');
  const error = h('p', { class: 'filter-error', role: 'alert', hidden: true });
  const none = h('p', { class: 'empty', hidden: true }, 'No process is alive.');
  const rows = new Rows({ role: 'tree', label: 'Supervision tree. Right opens a branch, Left closes it, Enter shows the process.', make, fill, range: () => refresh(), open: show, key, keyOf: (at) => nodeAt(at) && keyOf(...nodeAt(at)) });
  const element = h('section', { class: 'tree' }, h('div', { class: 'filters' }, summary, h('span', { class: 'muted hint' }, '→ opens, ← closes, Enter shows a process')), error, rows.element, none);

  for (const event of ['keydown', 'pointerdown', 'wheel']) rows.element.addEventListener(event, () => (wantedPlace = null), { passive: true });

  /** The node of a row with its branch, if it was loaded. */
  function nodeAt(at) {
    const { branch, index } = root.locate(at);
    const node = branch.rows.get(index);
    return node && [node, branch];
  }

  function make() {
    const parts = {
      indent: h('span', { class: 'indent', 'aria-hidden': 'true' }),
      toggle: h('button', { type: 'button', class: 'toggle', tabindex: -1, 'aria-label': 'Open or close the branch' }),
      dot: h('span', { class: 'dot', 'aria-hidden': 'true' }),
      label: h('a', { class: 'label', tabindex: -1 }),
      number: h('span', { class: 'children' }),
      restarts: h('span', { class: 'restarts' }),
      words: h('span', { class: 'muted words' }),
      state: h('span', { class: 'state-word' }),
      bar: new Bar(),
      share: h('span', { class: 'bar-number' }),
    };
    parts.toggle.addEventListener('click', (event) => {
      event.stopPropagation();
      toggle(Number(event.target.closest('.row').dataset.index));
      rows.element.focus();
    });
    const row = h('div', { role: 'treeitem' }, parts.indent, parts.toggle, parts.dot, h('span', { class: 'node' }, parts.label, parts.number, parts.restarts), parts.words, parts.state, h('span', { class: 'share-cell' }, parts.bar.element, parts.share));
    row.parts = parts;
    return row;
  }

  function fill(row, at) {
    const { branch, index } = root.locate(at);
    const node = branch.rows.get(index);
    row.classList.toggle('loading', !node);
    row.setAttribute('aria-level', branch.depth + 1);
    indent(row.parts.indent, branch, index);
    if (!node) {
      attribute(row, 'aria-expanded', null);
      return;
    }
    const { toggle: button, dot, label, number, restarts, words, state, bar, share } = row.parts;
    const expanded = branch.branches.has(index);
    attribute(row, 'aria-expanded', node.children > 0 ? String(expanded) : null);
    button.className = `toggle ${node.children > 0 ? (expanded ? 'open' : 'closed') : 'leaf'}`;
    dot.className = node.alike ? 'dot many' : `dot ${level(node)} ${node.kind ?? 'child'}`;
    text(label, node.alike ? `${count(node.alike.count)} × ${cells.title(node.alike)}` : cells.title(node));
    label.classList.toggle('unnamed', !node.label && !node.child_id && !node.inactive_id);
    attribute(label, 'href', node.pid ? route.task(node.pid) : null);
    attribute(label, 'title', [node.pid, node.place].filter(Boolean).join(' · '));
    text(number, node.children > 0 && !node.alike ? (node.below > node.children && !NARROW.matches ? `${count(node.children)} (${count(node.below)} below)` : count(node.children)) : '');
    text(restarts, node.restarts > 0 ? many(node.restarts, 'restart') : '');
    text(words, about(node));
    // A narrow screen has no room for other words than those of the state.
    const noProcess = { word: node.inactive && NARROW.matches ? about(node) : '', level: node.inactive ? level(node) : '' };
    const shown = node.inactive || node.alike ? noProcess : cells.state(node);
    text(state, shown.level === 'calm' ? '' : NARROW.matches ? (shown.short ?? shown.word) : shown.word);
    state.className = `state-word ${shown.level}`;
    const idle = node.inactive || node.alike || !(node.busy_share >= 0.005);
    bar.element.classList.toggle('idle', idle);
    bar.show(node.busy_share, shown.level);
    text(share, idle ? '' : percent(node.busy_share));
  }

  /** The lines from the branches above to the row. */
  function indent(box, branch, index) {
    const lines = [];
    let [here, at] = [branch, index];
    while (here.depth > 0) {
      const last = at === here.total - 1;
      lines.unshift(lines.length === 0 ? (last ? 'end' : 'tee') : last ? 'blank' : 'pass');
      const above = here.parent;
      at = [...above.branches.entries()].find(([, child]) => child === here)?.[0] ?? 0;
      here = above;
    }
    const signature = lines.join();
    if (box.dataset.lines === signature) return;
    box.dataset.lines = signature;
    box.replaceChildren(...lines.map((name) => h('span', { class: name })));
  }

  function toggle(at, wanted) {
    const { branch, index } = root.locate(at);
    const node = branch.rows.get(index);
    const key = node && keyOf(node, branch);
    if (!key || node.children === 0) return;
    const expanded = branch.branches.has(index);
    if (wanted === expanded) return;
    if (expanded) {
      open.delete(key);
      branch.branches.delete(index);
    } else {
      open.add(key);
      branch.branches.set(index, new Branch(node, branch));
    }
    rows.resize(root.size);
    refresh();
  }

  function key(event, at) {
    const { branch, index } = root.locate(at);
    if (event.key === 'ArrowRight') {
      if (branch.branches.has(index)) rows.activate(at + 1);
      else toggle(at, true);
    } else if (event.key === 'ArrowLeft') {
      if (branch.branches.has(index)) toggle(at, false);
      else if (branch.depth > 0) rows.activate(at - branch.row(index) - 1);
    } else if (event.key === ' ') toggle(at);
    else return false;
    return true;
  }

  function show(at) {
    const { branch, index } = root.locate(at);
    const node = branch.rows.get(index);
    if (node?.pid) location.hash = route.task(node.pid);
    else if (node?.alike) toggle(at);
  }

  /** The pages that the visible rows need, and the first page of each branch above them. */
  function wanted() {
    const pages = new Map();
    const want = (branch, index) => pages.set(`${branch.key} ${Math.floor(index / PAGE)}`, [branch, Math.floor(index / PAGE) * PAGE]);
    if (!root.loaded) want(root, 0);
    for (let at = rows.from ?? 0; at < Math.min(rows.to ?? 0, root.size); at += 1) {
      const { branch, index } = root.locate(at);
      want(branch, index);
      for (let here = branch; here.parent; here = here.parent) {
        const row = [...here.parent.branches.entries()].find(([, child]) => child === here)?.[0];
        if (row !== undefined) want(here.parent, row);
      }
    }
    return [...pages.values()];
  }

  const refresh = oneByOne(async () => {
    try {
      await Promise.all(wanted().map(load));
      error.hidden = true;
    } catch (failure) {
      error.hidden = failure.status === 0;
      text(error, failure.message);
    }
    none.hidden = root.total > 0 || !root.loaded;
    rows.element.classList.toggle('none', !none.hidden);
    if (root.loaded) text(summary, `${many(root.total, 'root')}, ${many(root.size, 'row')} shown`);
    rows.resize(root.size);
    if (wantedPlace && rows.height && root.size > wantedPlace.active) {
      rows.element.scrollTop = wantedPlace.top;
      rows.activate(wantedPlace.active);
      wantedPlace = null;
    }
  });

  async function load([branch, offset]) {
    let answer;
    try {
      answer = await get('api/tree', { ...branch.asks, offset: String(offset), limit: PAGE });
    } catch (failure) {
      if (failure.status === 0 || !branch.parent) throw failure;
      // The process of the branch has ended, most likely: the branch above is loaded as well, without that process.
      open.delete(branch.key);
      for (const [index, child] of branch.parent.branches) if (child === branch) branch.parent.branches.delete(index);
      return;
    }
    openNew(answer.rows, !branch.parent && answer.matched === 1);
    branch.take(answer, open);
  }

  /** Opens branches that were not there before, if they fit, and the only root in any case, so that the tree does not begin as one closed row. */
  function openNew(nodes, isOnlyRoot) {
    let size = root.size;
    for (const node of nodes) {
      if (!node.pid || node.children === 0 || seen.has(node.pid)) continue;
      if (seen.size >= MOST_SEEN) seen.clear();
      seen.add(node.pid);
      size += node.children;
      if (size > OPEN_AT_FIRST && !isOnlyRoot) return;
      open.add(node.pid);
      refresh();
    }
  }

  function close() {
    // If the view is closed before the list was scrolled to `wantedPlace`, that place is kept.
    left = wantedPlace ?? { active: rows.active, top: rows.element.scrollTop };
    rows.close();
  }

  return { element, refresh, close };
}
