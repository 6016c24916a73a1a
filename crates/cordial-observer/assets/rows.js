// A virtual list: only the visible rows are elements of the page, so a hundred thousand rows scroll as fast as ten.
//
// The container has the focus, and `aria-activedescendant` names the active row. So the focus stays when elements are reused.

import { h, attribute } from './dom.js';

/** Browsers lay out elements of up to about 17 million pixels; longer lists scroll in proportion. */
const MAX_HEIGHT = 12_000_000;
const MARGIN = 6;
let lists = 0;

/**
 * `role` is `grid` or `tree`, `make()` returns the element of a row, `fill(element, index)` shows a row in it, `range(first, last)`
 * is called when other rows become visible, `open(index)` on Enter or a click, and `key(event, index)` gets other keys.
 * `keyOf(index)` returns the identity of a row: when rows move, the active row is found again by it.
 */
export class Rows {
  constructor({ role, label, make, fill, range, open, key, keyOf }) {
    this.hooks = { make, fill, range, open, key, keyOf };
    this.id = `rows${(lists += 1)}`;
    this.total = 0;
    this.active = 0;
    /** The key of the active row, once a person has chosen one. */
    this.chosen = null;
    this.first = 0;
    this.pool = new Map();
    this.spare = [];
    this.space = h('div', { class: 'rows-space', role: 'presentation' });
    this.element = h('div', { class: 'rows', role, tabindex: 0, 'aria-label': label }, this.space);
    this.element.addEventListener('scroll', () => this.draw(), { passive: true });
    this.element.addEventListener('keydown', (event) => this.press(event));
    this.element.addEventListener('click', (event) => this.click(event));
    this.observer = new ResizeObserver(() => this.measure());
    this.observer.observe(this.element);
  }

  close() {
    this.observer.disconnect();
  }

  measure() {
    this.height = parseFloat(getComputedStyle(this.element).getPropertyValue('--row')) * parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.resize(this.total);
  }

  /** Sets how many rows there are. */
  resize(total) {
    this.total = total;
    this.active = Math.max(0, Math.min(this.active, total - 1));
    if (!this.height) return;
    this.full = total * this.height;
    this.space.style.height = `${Math.min(this.full, MAX_HEIGHT)}px`;
    attribute(this.element, this.element.getAttribute('role') === 'grid' ? 'aria-rowcount' : 'data-count', total);
    this.draw();
  }

  /** How many rows fit. */
  get visible() {
    return Math.max(1, Math.ceil(this.element.clientHeight / (this.height || 32)));
  }

  offset() {
    const { scrollTop, clientHeight } = this.element;
    if (this.full <= MAX_HEIGHT) return scrollTop;
    const share = scrollTop / Math.max(1, MAX_HEIGHT - clientHeight);
    return share * (this.full - clientHeight);
  }

  /** Called when rows may have moved: a row that a person has chosen stays active while it is visible. */
  follow(first, last) {
    const { keyOf } = this.hooks;
    if (this.chosen === null) return;
    const here = keyOf(this.active);
    if (here === this.chosen || here === undefined) return;
    for (let index = first; index < last; index += 1) {
      if (keyOf(index) !== this.chosen) continue;
      this.active = index;
      return;
    }
    this.chosen = here;
  }

  /** Places and fills the visible rows. */
  draw() {
    if (!this.height || !this.element.isConnected) return;
    const offset = this.offset();
    const shift = this.element.scrollTop - offset;
    const first = Math.max(0, Math.floor(offset / this.height) - MARGIN);
    const last = Math.min(this.total, Math.ceil((offset + this.element.clientHeight) / this.height) + MARGIN);
    this.follow(first, last);
    for (const [index, row] of this.pool) {
      if (index >= first && index < last) continue;
      this.pool.delete(index);
      row.remove();
      this.spare.push(row);
    }
    for (let index = first; index < last; index += 1) {
      let row = this.pool.get(index);
      if (!row) {
        row = this.spare.pop() ?? this.hooks.make();
        row.classList.add('row');
        row.id = `${this.id}-${index}`;
        row.dataset.index = index;
        this.pool.set(index, row);
        this.space.append(row);
      }
      row.style.transform = `translateY(${index * this.height + shift}px)`;
      row.classList.toggle('active', index === this.active);
      row.classList.toggle('odd', index % 2 === 1);
      attribute(row, 'aria-selected', index === this.active ? 'true' : 'false');
      if (this.element.getAttribute('role') === 'grid') row.setAttribute('aria-rowindex', index + 2);
      this.hooks.fill(row, index);
    }
    attribute(this.element, 'aria-activedescendant', this.pool.has(this.active) ? `${this.id}-${this.active}` : null);
    if (first !== this.from || last !== this.to) {
      [this.from, this.to] = [first, last];
      this.hooks.range(first, last);
    }
  }

  /** Goes to the first row, whatever row will be there. */
  restart() {
    this.chosen = null;
    this.active = 0;
    this.element.scrollTop = 0;
    this.draw();
  }

  choose(index) {
    this.active = Math.max(0, Math.min(this.total - 1, index));
    this.chosen = this.hooks.keyOf?.(this.active) ?? null;
  }

  /** Makes a row the active one, and scrolls to it. */
  activate(index) {
    this.choose(index);
    const top = this.active * this.height;
    const view = this.element.clientHeight;
    const offset = this.offset();
    let wanted = offset;
    if (top < offset) wanted = top;
    else if (top + this.height > offset + view) wanted = top + this.height - view;
    if (wanted !== offset) {
      const share = this.full <= MAX_HEIGHT ? wanted : (wanted / (this.full - view)) * (MAX_HEIGHT - view);
      this.element.scrollTop = share;
    }
    this.draw();
  }

  press(event) {
    if (event.target !== this.element || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: this.visible - 1, PageUp: 1 - this.visible, Home: -this.total, End: this.total };
    if (event.key in steps) this.activate(this.active + steps[event.key]);
    else if (event.key === 'Enter' && this.total) this.hooks.open(this.active, event);
    else if (!this.hooks.key?.(event, this.active)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  click(event) {
    const row = event.target.closest('.row');
    if (!row) return;
    this.choose(Number(row.dataset.index));
    this.draw();
    if (!event.target.closest('a, button')) this.hooks.open(this.active, event);
  }
}
