// The head of the page: which program, whether the data are fresh, what was dropped; and the names of the views.

import { h, text, attribute, visible } from './dom.js';
import { count, duration, many } from './format.js';
import { live } from './live.js';
import * as route from './route.js';
import * as theme from './theme.js';

/** The views in the order of their keys, each with the number that stands beside its name. */
export const VIEWS = [
  { name: 'overview', title: 'Overview' },
  { name: 'tree', title: 'Tree' },
  { name: 'tasks', title: 'Tasks', number: (overview) => overview.now?.live },
  { name: 'crashes', title: 'Crashes', number: (overview) => overview.crashes_total, bad: (overview) => overview.crashes_last_minute > 0 },
  { name: 'polls', title: 'Long polls', number: (overview) => overview.long_polls?.length, bad: (overview) => overview.long_polls?.length > 0 },
  { name: 'streams', title: 'Streams', number: (overview) => overview.totals?.streams },
  { name: 'servers', title: 'Servers', number: (overview) => overview.totals?.servers },
  { name: 'sets', title: 'Task sets', number: (overview) => overview.totals?.task_sets },
  { name: 'connections', title: 'Connections', number: (overview) => overview.totals?.connections },
  { name: 'warnings', title: 'Warnings', number: (overview) => overview.warnings?.length, bad: (overview) => overview.warnings?.some((warning) => warning.severity === 'critical') },
  { name: 'audit', title: 'Audit' },
];

/** The view that a detail belongs to. */
const PARENTS = { task: 'tasks', crash: 'crashes' };

/** What the counters of dropped records count, for one and for many. */
const DROPPED = {
  crashes: ['crash', 'crashes'],
  points: ['second of the history', 'seconds of the history'],
  clients: ['client that did not read', 'clients that did not read'],
  connections: ['connection', 'connections'],
  tasks: ['process', 'processes'],
};

const THEMES = { system: 'Theme: system', light: 'Theme: light', dark: 'Theme: dark' };

export class Header {
  constructor(header, nav, help) {
    this.name = h('strong', { class: 'program' }, 'Observer');
    this.about = h('span', { class: 'about' });
    this.dropped = h('span', { class: 'dropped', hidden: true });
    this.state = h('button', { class: 'state', type: 'button', onclick: () => live.toggle() });
    this.theme = h('button', { type: 'button', class: 'plain', onclick: () => this.nextTheme() }, THEMES[theme.chosen()]);
    const keys = h('button', { type: 'button', class: 'plain', 'aria-label': 'Keys', onclick: help }, 'Keys ', h('kbd', {}, '?'));
    header.append(h('div', { class: 'who' }, this.name, this.about), this.dropped, h('div', { class: 'tools' }, this.state, this.theme, keys));
    this.links = VIEWS.map((view) => {
      const number = h('span', { class: 'number' });
      const link = h('a', { href: route.to(view.name) }, h('span', {}, view.title), number);
      return { view, link, number };
    });
    nav.append(...this.links.map((entry) => entry.link));
    new ResizeObserver(() => this.showCurrent()).observe(nav);
  }

  nextTheme() {
    text(this.theme, THEMES[theme.cycle()]);
  }

  /** Shows the state of the connection and the numbers beside the views. */
  show() {
    const overview = live.overview;
    const words = { connecting: 'connecting', live: 'live', lost: live.refused ? 'not connected' : 'no answer', paused: 'paused', forbidden: 'locked' };
    text(this.state, words[live.status]);
    this.state.className = `state ${live.status}`;
    attribute(this.state, 'aria-pressed', live.held ? 'true' : 'false');
    attribute(this.state, 'title', live.sentence || 'Press p to pause the page.');
    if (!overview) return;
    const { name, os_pid: osPid, started_at_ms: startedAt } = overview.program;
    text(this.name, name);
    text(this.about, `process ${osPid} · up ${duration(Math.max(0, live.now() - startedAt))}`);
    document.title = visible(`${name} · observer`);
    this.showDropped(overview.dropped ?? {});
    for (const { view, link, number } of this.links) {
      const value = view.number?.(overview);
      text(number, value ? count(value) : '');
      number.classList.toggle('bad', Boolean(value && view.bad?.(overview)));
    }
  }

  showDropped(dropped) {
    const parts = Object.entries(dropped).filter(([, n]) => n > 0).map(([what, n]) => many(n, ...(DROPPED[what] ?? [what, what])));
    this.dropped.hidden = parts.length === 0;
    text(this.dropped, `dropped: ${parts.join(', ')}`);
  }

  /** Marks the view that is shown. */
  mark(name) {
    for (const { view, link } of this.links) {
      const here = view.name === (PARENTS[name] ?? name);
      attribute(link, 'aria-current', here ? 'page' : null);
    }
    this.showCurrent();
  }

  /** Scrolls the list of views to the one that is shown. */
  showCurrent() {
    const current = this.links.find(({ link }) => link.hasAttribute('aria-current'));
    current?.link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
}
