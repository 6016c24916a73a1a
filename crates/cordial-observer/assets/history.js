// A series of the overview: the history that the server has sent, and the points that came since.

const SECONDS = 600;
const NAMES = ['live', 'queued', 'stand_ins', 'spawned', 'ended', 'crashed', 'polls', 'long_polls', 'rss_bytes', 'cpu'];

/** A window of equally spaced points, the newest last. */
export class Series {
  constructor(columns) {
    this.step = columns?.step_ms ?? 1000;
    this.first = columns?.first_at_ms ?? null;
    this.values = {};
    for (const name of NAMES) this.values[name] = [...(columns?.[name] ?? [])];
    this.workers = (columns?.workers ?? []).map((worker) => [...worker]);
    this.length = this.values.live.length;
  }

  /** Adds the newest point; seconds that were missed stay empty. */
  push(point) {
    if (this.first === null || this.length === 0) {
      this.first = point.at_ms;
      this.length = 0;
    }
    const index = Math.round((point.at_ms - this.first) / this.step);
    if (index < this.length - 1 || index > this.length + 10 * SECONDS) return;
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
