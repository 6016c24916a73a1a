// Pictures of values over time: a chart with an axis, and a sparkline without.

import { h, s, text } from './dom.js';
import { clock } from './format.js';

/** The axis of a program that has run for a short time has as many points as the first of these numbers that is large enough. */
const SPANS = [60, 120, 300, 600];

/** Rounds up to 1, 2 or 5 times a power of ten, so that the scale seldom changes. */
function ceiling(value, unit = 1) {
  if (unit > 1) return ceiling(value / unit) * unit;
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

/** Makes the path of a line; missing values are gaps. With a floor, makes the path of the area between the line and the floor. */
function path(values, x, y, floor) {
  let d = '';
  let start = null;
  const end = (index) => {
    if (start !== null && floor !== undefined) d += `L${x(index).toFixed(1)} ${floor}L${x(start).toFixed(1)} ${floor}Z`;
    start = null;
  };
  values.forEach((value, index) => {
    if (value === null || value === undefined) {
      if (start !== null) end(index - 1);
      return;
    }
    d += `${start === null ? 'M' : 'L'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    start ??= index;
  });
  if (start !== null) end(values.length - 1);
  return d;
}

/** The largest value of each of at most `n` groups: a long series keeps its peaks. */
function thin(values, n) {
  const step = Math.ceil(values.length / n);
  if (step <= 1) return values;
  const thinned = [];
  for (let index = 0; index < values.length; index += step) {
    const group = values.slice(index, index + step).filter((value) => value !== null && value !== undefined);
    thinned.push(group.length ? Math.max(...group) : null);
  }
  return thinned;
}

/** A chart over time. `lines` are `{ name, title, kind: 'area' | 'line' | 'bars' }`; its heading shows the newest values. */
export class Chart {
  constructor(title, lines, format, options = {}) {
    this.lines = lines;
    this.format = format;
    this.options = options;
    this.number = h('span', { class: 'chart-number' });
    this.rest = h('span', { class: 'chart-rest' });
    this.svg = s('svg', { class: 'chart-svg', role: 'img' });
    this.reading = h('span', { class: 'chart-reading', hidden: true });
    this.element = h('figure', { class: 'chart' }, h('figcaption', {}, h('span', { class: 'chart-title' }, title), this.number, this.rest, this.reading), this.svg);
    this.title = title;
    this.svg.addEventListener('pointermove', (event) => this.point(event.offsetX));
    this.svg.addEventListener('pointerleave', () => this.point(null));
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Shows a series. `span` is the number of points of the axis when the series is complete. */
  show(series, span) {
    this.series = series;
    this.span = SPANS.find((shorter) => shorter >= series.length && shorter < span) ?? span;
    this.draw();
  }

  values(line) {
    return this.series.values[line.name] ?? [];
  }

  draw() {
    const width = this.element.clientWidth;
    if (!this.series || !width) return;
    const letter = parseFloat(getComputedStyle(this.svg).fontSize);
    const head = letter * 1.3;
    const bottom = this.svg.clientHeight - letter * 1.6;
    const shown = Math.min(this.span, Math.max(60, Math.floor(width / 2)));
    const step = Math.ceil(this.span / shown);
    const offset = this.span - this.series.length;
    const all = this.lines.map((line) => {
      const values = [...Array(Math.max(0, offset)).fill(null), ...this.values(line).slice(-this.span)];
      return thin(values, Math.ceil(this.span / step));
    });
    const n = all[0].length;
    const top = ceiling(Math.max(this.options.least ?? 0, ...all.flat().map((value) => value ?? 0)), this.options.unit);
    const x = (index) => (n > 1 ? (index / (n - 1)) * width : width);
    const y = (value) => bottom - (value / top) * (bottom - head);
    const parts = [
      s('line', { class: 'grid', x1: 0, x2: width, y1: bottom + 0.5, y2: bottom + 0.5 }),
      s('line', { class: 'grid faint', x1: 0, x2: width, y1: head, y2: head }),
      s('text', { class: 'axis', x: 0, y: letter }, this.format(top)),
    ];
    this.lines.forEach((line, index) => {
      const values = all[index];
      if (line.kind === 'bars') {
        values.forEach((value, at) => {
          if (value) parts.push(s('line', { class: `bar ${line.name}`, x1: x(at), x2: x(at), y1: bottom, y2: Math.min(bottom - 3, y(value)) }));
        });
        return;
      }
      if (line.kind === 'area') parts.push(s('path', { class: `area ${line.name}`, d: path(values, x, y, bottom) }));
      parts.push(s('path', { class: `line ${line.name}`, d: path(values, x, y) }));
    });
    parts.push(...this.axis(width, bottom + letter * 1.3));
    this.cursor = s('line', { class: 'cursor', y1: head, y2: bottom, visibility: 'hidden' });
    this.svg.replaceChildren(...parts, this.cursor);
    this.svg.setAttribute('width', width);
    this.caption();
    if (this.at !== undefined && this.at !== null) this.point(this.at);
  }

  axis(width, y) {
    const total = (this.span * this.series.step) / 60_000;
    const marks = width < 260 ? [1, 0] : [1, 0.5, 0];
    const name = (part) => {
      if (part === 0) return 'now';
      const minutes = total * part;
      return minutes >= 60 ? `${(minutes / 60).toFixed(minutes % 60 ? 1 : 0)} h ago` : minutes < 1 ? `${Math.round(minutes * 60)} s ago` : `${minutes % 1 ? minutes.toFixed(1) : minutes} min ago`;
    };
    return marks.map((part) => {
      const anchor = part === 1 ? 'start' : part === 0 ? 'end' : 'middle';
      return s('text', { class: 'axis', x: width * (1 - part), y, 'text-anchor': anchor }, name(part));
    });
  }

  caption() {
    const newest = (line) => this.values(line).at(-1);
    const [first, ...rest] = this.lines;
    text(this.number, this.format(newest(first)));
    text(this.rest, rest.map((line) => `${this.format(newest(line))} ${line.title}`).join(' · '));
    const spoken = this.lines.map((line) => `${this.format(newest(line))} ${line.title}`).join(', ');
    this.svg.setAttribute('aria-label', `${this.title}: ${spoken}`);
  }

  /** Reads the values under the pointer. */
  point(offset) {
    this.at = offset;
    const hide = offset === null || !this.series?.length;
    this.reading.hidden = hide;
    this.rest.hidden = !hide;
    this.number.hidden = !hide;
    if (hide) {
      this.cursor?.setAttribute('visibility', 'hidden');
      return;
    }
    const width = this.element.clientWidth;
    const behind = this.span - 1 - Math.round((offset / width) * (this.span - 1));
    const index = this.series.length - 1 - behind;
    const at = this.series.first + index * this.series.step;
    const values = this.lines.map((line) => `${this.format(this.values(line)[index])}${line.title ? ` ${line.title}` : ''}`);
    text(this.reading, index < 0 ? 'not yet measured' : `${clock(at)}: ${values.join(' · ')}`);
    this.cursor.setAttribute('x1', offset);
    this.cursor.setAttribute('x2', offset);
    this.cursor.setAttribute('visibility', 'visible');
  }
}

/** A small area of shares from 0 to 1, without an axis. */
export class Sparkline {
  constructor(label) {
    this.area = s('path', { class: 'area share' });
    this.line = s('path', { class: 'line share' });
    this.label = label;
    this.element = s('svg', { class: 'spark', viewBox: '0 0 150 28', preserveAspectRatio: 'none', role: 'img' }, this.area, this.line);
  }

  /** Shows the newest `span` shares. */
  show(shares, span) {
    const newest = thin([...Array(Math.max(0, span - shares.length)).fill(null), ...shares.slice(-span)], 75);
    const x = (index) => (index / Math.max(1, newest.length - 1)) * 150;
    const y = (share) => 27 - Math.min(1, share) * 26;
    this.area.setAttribute('d', path(newest, x, y, 28));
    this.line.setAttribute('d', path(newest, x, y));
    this.element.setAttribute('aria-label', this.label);
  }
}

/** A share of 0 to 1 as a bar. */
export class Bar {
  constructor(name = '') {
    this.fill = h('span', { class: 'bar-fill' });
    this.element = h('span', { class: `bar-track ${name}` }, this.fill);
  }

  show(share, level = '') {
    this.fill.style.width = `${Math.max(0, Math.min(1, share ?? 0)) * 100}%`;
    this.fill.className = `bar-fill ${level}`;
  }
}
