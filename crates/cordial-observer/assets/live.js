// The connection: one stream of events for the whole page, closed while the page is hidden or paused.

import { get, probe, setCsrf } from './api.js';
import { Series } from './history.js';

const SILENCE_MS = 6_000;
/** How many events are remembered. An answer may take 10 s: the events that come meanwhile are newer than the answer. */
const LATEST_TICKS = 12;
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
    this.latestTicks = [];
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

  /** Compares the clocks, with a point that the program has measured a moment ago. */
  note(point) {
    if (point?.at_ms > 0) this.ahead = point.at_ms - Date.now();
  }

  /** Stops or continues as the person and the tab ask. */
  follow() {
    // The form for the token keeps what was typed.
    if (this.status === 'forbidden') return;
    if (document.hidden || this.held) this.pause();
    else if (this.status === 'paused') this.connect();
  }

  pause() {
    this.generation += 1;
    this.close();
    this.set('paused', this.held ? 'Paused. Press p to continue.' : 'Paused while the tab is hidden.');
  }

  /** Pauses or continues the page. */
  toggle() {
    if (this.status !== 'forbidden') this.held = !this.held;
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
      this.pause();
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
    // Events that have come while the answer was on its way are newer.
    const { start_id } = overview.program;
    this.latestTicks.filter((tick) => tick.start_id === start_id && tick.now?.at_ms > overview.now?.at_ms).forEach((tick) => this.add(tick));
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

  /** Asks for the events once more, to show the sentence of the refusal: an `EventSource` does not say why it got no events. */
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
    this.latestTicks = [...this.latestTicks, tick].slice(-LATEST_TICKS);
    this.add(tick);
    this.note(tick.now);
    this.set('live');
    this.dispatchEvent(new Event('tick'));
  }

  /** Lays the fields of an event over the overview. */
  add(tick) {
    Object.assign(this.overview, tick);
    this.seconds.push(tick.now);
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
