// The connection: one stream of events for the whole page, closed while the page is hidden or paused.

import { get, probe, setCsrf } from './api.js';
import { Series } from './history.js';

const SILENCE_MS = 6_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000];

/**
 * Emits `status` (connecting, live, lost, paused, forbidden), `tick` and `restart`.
 * `overview` is the newest complete answer, with the fields of each tick laid over it.
 */
class Live extends EventTarget {
  constructor() {
    super();
    this.status = 'connecting';
    this.sentence = '';
    this.overview = null;
    this.seconds = new Series();
    this.long = new Series();
    /** When the history was asked for last. */
    this.askedAt = 0;
    this.held = false;
    this.lostAt = null;
    /** Whether the program answers, but refuses. */
    this.refused = false;
    this.attempt = 0;
    this.generation = 0;
    /** How far the clock of the program is ahead of that of this computer, in milliseconds. */
    this.ahead = 0;
    document.addEventListener('visibilitychange', () => this.follow());
  }

  /** The present moment on the clock of the program, to which all times in answers belong. */
  now() {
    return Date.now() + this.ahead;
  }

  /** Notes that the program has measured a point a moment ago. */
  note(point) {
    if (point?.at_ms > 0) this.ahead = point.at_ms - Date.now();
  }

  /** Stops or continues as the person and the tab ask. */
  follow() {
    if (document.hidden || this.held) {
      this.generation += 1;
      this.close();
      this.set('paused', this.held ? 'Paused. Press p to continue.' : 'Paused while the tab is hidden.');
    } else if (this.status === 'paused') this.connect();
  }

  /** Pauses or continues the page. */
  toggle() {
    this.held = !this.held;
    this.follow();
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.source?.close();
    this.source = null;
  }

  set(status, sentence = '') {
    const changed = status !== this.status || sentence !== this.sentence;
    this.status = status;
    this.sentence = sentence;
    if (changed) this.dispatchEvent(new Event('status'));
  }

  /** Loads the overview with its history, then follows the events. */
  async connect() {
    // A page that was opened in the background begins when it is looked at.
    if (document.hidden) {
      this.follow();
      return;
    }
    this.close();
    this.generation += 1;
    const generation = this.generation;
    try {
      await this.load();
    } catch (error) {
      if (generation === this.generation) this.fail(error);
      return;
    }
    if (generation !== this.generation) return;
    // After a failure, only an event shows that there is a connection again.
    if (this.lostAt === null) this.set('live');
    this.dispatchEvent(new Event('tick'));
    this.listen();
  }

  async load() {
    this.askedAt = Date.now();
    const overview = await get('api/overview');
    const before = this.overview?.program.start_id;
    this.overview = overview;
    this.note(overview.now);
    setCsrf(overview.csrf);
    this.seconds = new Series(overview.history?.seconds, overview.now?.at_ms);
    this.long = new Series(overview.history?.ten_seconds);
    if (before && before !== overview.program.start_id) this.dispatchEvent(new Event('restart'));
  }

  listen() {
    const source = new EventSource('api/events');
    this.source = source;
    this.expect();
    source.addEventListener('tick', (event) => {
      if (this.source !== source) return;
      this.expect();
      this.take(JSON.parse(event.data));
    });
    source.addEventListener('error', () => {
      if (this.source !== source) return;
      if (source.readyState === EventSource.CLOSED) this.explain();
      else this.fail();
    });
  }

  /** The browser does not say why it got no events: asks for them once more, to show the sentence of the refusal. */
  async explain() {
    this.close();
    this.generation += 1;
    const generation = this.generation;
    const refusal = await probe('api/events').then(() => null, (error) => error);
    if (generation === this.generation) this.fail(refusal);
  }

  expect() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.fail(), SILENCE_MS);
  }

  take(tick) {
    if (tick.start_id && tick.start_id !== this.overview.program.start_id) {
      this.connect();
      return;
    }
    this.attempt = 0;
    this.lostAt = null;
    this.refused = false;
    Object.assign(this.overview, tick);
    this.note(tick.now);
    this.seconds.push(tick.now);
    this.set('live');
    this.dispatchEvent(new Event('tick'));
  }

  fail(error) {
    this.close();
    if (error?.status === 401 || error?.status === 403) {
      this.set('forbidden', error.message);
      return;
    }
    this.lostAt ??= Date.now();
    this.refused = (error?.status ?? 0) >= 400;
    this.set('lost', error?.message ?? 'The program does not answer.');
    this.timer = setTimeout(() => this.connect(), RETRY_MS[Math.min(this.attempt, RETRY_MS.length - 1)]);
    this.attempt += 1;
  }
}

export const live = new Live();
