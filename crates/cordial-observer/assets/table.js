// A table whose rows the server sorts and filters. The page asks for the rows near the visible ones, and keeps about 2000 of them.

import { get, oneByOne } from './api.js';
import { h, speak, text, attribute } from './dom.js';
import { count } from './format.js';
import * as route from './route.js';
import { Rows } from './rows.js';

const MAX_CACHED = 2_000;
const MAX_REQUESTED = 200;
/** The space between two columns, in rem: as in the style sheet. */
const GAP = 1.25;

/** What identifies a row: its number, or else its process. The rows with a number, such as streams, may share a process. */
function keyOf(row) {
  return row && (row.id ?? row.n ?? row.pid);
}

/**
 * `title` is the heading of a view without filters. `columns` are `{ title, sort, ascending, width, small, align, drop, cell() }`: `small` is where the column stands on a narrow
 * screen (lead, tail, sub, sub2, or nowhere); where there is no room for all columns, those with the highest `drop` are hidden first, and those without `drop` never.
 * `filters` are elements with a `name`. `wraps`: the rows are high enough for sentences of several lines.
 */
export class Table {
  constructor({ path, title, label, columns, sort, descending = true, filters = [], open, none, hint, wraps = false }) {
    Object.assign(this, { path, columns, openRow: open, none });
    const parameters = route.current().parameters;
    this.sort = parameters.sort ?? sort;
    this.descending = parameters.sort ? parameters.descending === 'true' : descending;
    this.cache = new Map();
    /** Loads the visible rows again. */
    this.load = oneByOne(() => this.loadRows());
    this.rows = new Rows({
      role: 'grid',
      label,
      make: () => this.make(),
      fill: (element, index) => this.fill(element, index),
      range: () => this.ask(),
      open: (index, event) => this.open(index, event),
      key: (event) => this.key(event),
      keyOf: (index) => keyOf(this.cache.get(index)),
    });
    this.message = h('p', { class: 'empty', hidden: true });
    this.error = h('p', { class: 'filter-error', role: 'alert', hidden: true });
    this.summary = h('p', { class: 'summary' }, 'Loading…');
    this.head = h('div', { class: 'table-head', role: 'row' }, columns.map((column) => this.heading(column)));
    this.bar = h('form', { class: 'filters', role: 'search', onsubmit: (event) => event.preventDefault() }, title ? h('h2', {}, title) : null, filters, this.summary);
    for (const filter of filters) {
      const input = filter.matches('input, select') ? filter : filter.querySelector('input, select');
      if (parameters[input.name]) input.value = parameters[input.name];
      input.addEventListener('input', () => this.filter());
      input.addEventListener('keydown', (event) => this.leave(event));
    }
    this.inputs = [...this.bar.querySelectorAll('input, select')];
    this.element = h('section', { class: wraps ? 'table wraps' : 'table' }, hint ?? null, this.bar, this.error, h('div', { class: 'table-body' }, this.head, this.rows.element, this.message));
    this.element.style.setProperty('--columns', columns.map((column) => column.width).join(' '));
    this.fit();
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.element);
  }

  close() {
    this.closed = true;
    clearTimeout(this.pending);
    this.observer.disconnect();
    this.rows.close();
  }

  /** Hides the columns for which there is no room. */
  fit() {
    const rem = this.element.clientWidth / parseFloat(getComputedStyle(document.documentElement).fontSize);
    const narrow = rem < 44;
    this.element.classList.toggle('narrow', narrow);
    const shown = this.columns.map((column) => !narrow || Boolean(column.small));
    const order = this.columns.map((column, index) => index).filter((index) => this.columns[index].drop).sort((a, b) => this.columns[b].drop - this.columns[a].drop);
    while (!narrow && order.length && this.least(shown) > rem) shown[order.shift()] = false;
    this.shown = shown;
    this.element.style.setProperty('--columns', this.columns.filter((_, index) => shown[index]).map((column) => column.width).join(' '));
    [...this.head.children].forEach((cell, index) => cell.classList.toggle('gone', !shown[index]));
    this.rows.measure();
  }

  /** The width in rem that these columns need. */
  least(shown) {
    const widths = this.columns.filter((_, index) => shown[index]).map((column) => parseFloat(/[\d.]+/.exec(column.width)[0]));
    return widths.reduce((sum, width) => sum + width + GAP, 1);
  }

  heading(column) {
    if (!column.sort) return h('span', { role: 'columnheader', class: column.align }, column.title);
    const arrow = h('span', { class: 'arrow', 'aria-hidden': 'true' });
    const button = h('button', { type: 'button', onclick: () => this.sortBy(column) }, column.title, arrow);
    return h('span', { role: 'columnheader', class: column.align, 'data-sort': column.sort }, button);
  }

  sortBy(column) {
    if (this.sort === column.sort) this.descending = !this.descending;
    else {
      this.sort = column.sort;
      this.descending = column.ascending ? false : true;
    }
    this.rows.restart();
    this.remember();
    this.load();
  }

  key(event) {
    if (event.key !== 's' && event.key !== 'r') return false;
    const sortable = this.columns.filter((column, index) => column.sort && this.shown[index]);
    const now = sortable.findIndex((column) => column.sort === this.sort);
    const column = event.key === 'r' ? sortable[now] : sortable[(now + 1) % sortable.length];
    if (column) this.sortBy(column);
    return true;
  }

  /** Enter or Down in a field goes to the rows. */
  leave(event) {
    if (event.key !== 'Enter' && !(event.key === 'ArrowDown' && event.target.matches('input'))) return;
    event.preventDefault();
    this.rows.element.focus();
  }

  filter() {
    clearTimeout(this.pending);
    this.pending = setTimeout(() => {
      this.rows.restart();
      this.remember();
      this.says = true;
      this.load();
    }, 120);
  }

  parameters() {
    const filters = Object.fromEntries(this.inputs.map((input) => [input.name, input.value.trim()]));
    return this.sort ? { ...filters, sort: this.sort, descending: String(this.descending) } : filters;
  }

  remember() {
    route.replace(this.parameters());
  }

  /** Loads soon: called while rows scroll by. */
  ask() {
    if (this.asked) return;
    this.asked = true;
    setTimeout(() => {
      this.asked = false;
      this.load();
    }, 50);
  }

  async loadRows() {
    if (this.closed) return;
    const offset = this.rows.from ?? 0;
    const limit = Math.min(MAX_REQUESTED, Math.max(30, (this.rows.to ?? 0) - offset, this.rows.visible + 12));
    const asked = this.parameters();
    try {
      const answer = await get(this.path, { ...asked, offset: String(offset), limit });
      if (!this.closed && JSON.stringify(this.parameters()) === JSON.stringify(asked)) this.take(answer, offset);
      this.fail(null);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Shows rows that have arrived. Until then, the table shows the rows of the filter and the order before. */
  take(answer, offset) {
    const cached = JSON.stringify(this.parameters());
    if (this.cache.size > MAX_CACHED || this.cached !== cached) this.cache.clear();
    this.cached = cached;
    const top = Number(this.inputs.find((input) => input.name === 'top')?.value);
    const matched = Math.min(answer.matched, top || Infinity);
    answer.rows.forEach((row, index) => this.cache.set(offset + index, row));
    for (const index of this.cache.keys()) if (index >= matched) this.cache.delete(index);
    this.rows.resize(matched);
    text(this.summary, answer.total === 0 ? '' : matched === answer.total ? `${count(answer.total)} in all` : `${count(matched)} of ${count(answer.total)}`);
    this.message.hidden = matched > 0;
    this.head.hidden = matched === 0;
    this.rows.element.classList.toggle('none', matched === 0);
    text(this.message, answer.total > 0 ? 'Nothing matches the filter.' : typeof this.none === 'function' ? this.none() : this.none);
    this.markSort();
    if (this.says) speak(`${this.summary.textContent}.`);
    this.says = false;
  }

  /** Shows a failure beside the filter; rows that are there stay. */
  fail(error) {
    this.error.hidden = !error;
    text(this.error, error?.message ?? '');
    const wrong = error?.status === 400 ? (error.body.field ?? 'text') : null;
    for (const input of this.inputs) attribute(input, 'aria-invalid', input.name === wrong ? 'true' : null);
  }

  markSort() {
    for (const cell of this.head.children) {
      const here = cell.dataset.sort && cell.dataset.sort === this.sort;
      attribute(cell, 'aria-sort', here ? (this.descending ? 'descending' : 'ascending') : null);
      const arrow = cell.querySelector('.arrow');
      if (arrow) text(arrow, here ? (this.descending ? ' ↓' : ' ↑') : '');
    }
  }

  make() {
    const cells = this.columns.map((column) => column.cell());
    const row = h('div', { role: 'row' });
    cells.forEach((cell, index) => {
      const column = this.columns[index];
      row.append(h('span', { role: 'gridcell', class: `cell ${column.small ? `small-${column.small}` : ''} ${column.align ?? ''}` }, cell.element));
    });
    row.cells = cells;
    return row;
  }

  fill(element, index) {
    const row = this.cache.get(index);
    element.classList.toggle('loading', !row);
    element.cells.forEach((cell, at) => {
      const shown = this.shown[at];
      element.children[at].classList.toggle('gone', !shown);
      if (row && shown) cell.show(row);
    });
  }

  open(index, event) {
    const row = this.cache.get(index);
    if (row) this.openRow?.(row, event);
  }
}

/** A field for text. The key `/` goes to the field with the name `text`. */
export function textFilter(placeholder, name = 'text') {
  return h('input', { name, type: 'search', placeholder, 'aria-label': placeholder, autocomplete: 'off', spellcheck: 'false', maxlength: 200, 'data-main': name === 'text' });
}

/** A field with a few choices; the first means all. */
export function choice(name, label, values) {
  return h('select', { name, 'aria-label': label }, values.map(([value, title]) => h('option', { value }, title)));
}
