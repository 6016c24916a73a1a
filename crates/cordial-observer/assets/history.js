// A series of the overview: the history that the server has sent, and the points that came since.

const SECONDS = 600;
/** By how much the time between two points may be shorter than a whole number of seconds: the first of the two may have been late. */
const TOLERANCE_MS = 20;
const NAMES = ['live', 'queued', 'stand_ins', 'spawned', 'ended', 'crashed', 'polls', 'long_polls', 'rss_bytes', 'cpu'];

/** A window of equally spaced points, the newest last. */
export class Series {
  /** `newest` is when the newest point was taken, which may be later than when it was due. */
  constructor(columns, newest = 0) {
    this.newest = newest;
    this.step = columns?.step_ms ?? 1000;
    this.first = columns?.first_at_ms ?? null;
    this.values = {};
    for (const name of NAMES) this.values[name] = [...(columns?.[name] ?? [])];
    this.workers = (columns?.workers ?? []).map((worker) => [...worker]);
    this.length = this.values.live.length;
  }

  /**
   * Adds the newest point; seconds that were missed stay empty. As in the history of the server, a point that was taken late belongs to the second in
   * which it was due.
   */
  push(point) {
    // The history has this point already.
    if (point.at_ms <= this.newest) return;
    if (this.first === null || this.length === 0) {
      this.first = point.at_ms;
      this.length = 0;
    }
    const passed = point.at_ms - (this.first + (this.length - 1) * this.step);
    const due = passed < this.step / 2 ? 0 : Math.max(1, Math.floor((passed + TOLERANCE_MS) / this.step));
    if (due > 10 * SECONDS) return;
    this.newest = point.at_ms;
    const index = this.length - 1 + due;
    this.first = Math.min(this.first, point.at_ms - index * this.step);
    for (const name of NAMES) {
      const values = this.values[name];
      while (values.length < index) values.push(null);
      values[index] = point[name] ?? null;
    }
    (point.workers ?? []).forEach((share, worker) => {
      const values = (this.workers[worker] ??= []);
      while (values.length < index) values.push(null);
      values[index] = share;
    });
    this.length = index + 1;
    const surplus = this.length - SECONDS;
    if (surplus > 0) {
      for (const name of NAMES) this.values[name].splice(0, surplus);
      for (const values of this.workers) values.splice(0, surplus);
      this.first += surplus * this.step;
      this.length = SECONDS;
    }
  }

  /** The sum over the last seconds of something counted per second. */
  recent(name, seconds) {
    const n = Math.ceil((seconds * 1000) / this.step);
    return this.values[name].slice(-n).reduce((sum, value) => sum + (value ?? 0) * (this.step / 1000), 0);
  }
}
