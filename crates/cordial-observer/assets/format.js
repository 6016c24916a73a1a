// Numbers, durations and moments as people read them.

const GROUPED = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** A count: `1,204`; from ten million on `12.3 M`, and from ten billion on `12.3 G`. */
export function count(value) {
  if (value === null || value === undefined) return '–';
  if (value >= 1e10) return `${(value / 1e9).toFixed(1)} G`;
  if (value >= 1e7) return `${(value / 1e6).toFixed(1)} M`;
  return GROUPED.format(value);
}

/** A rate per second: small ones keep one digit after the point. */
export function rate(value) {
  if (value === null || value === undefined) return '–';
  if (value > 0 && value < 10 && !Number.isInteger(value)) return value.toFixed(1);
  return count(value);
}

/** Bytes in binary units. */
export function bytes(value) {
  if (value === null || value === undefined) return '–';
  let rest = value;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (rest < 1024) return `${rest < 10 && unit !== 'B' ? rest.toFixed(1) : Math.round(rest)} ${unit}`;
    rest /= 1024;
  }
  return `${rest.toFixed(1)} TiB`;
}

/** A share of 0 to 1 as percent. */
export function percent(share) {
  if (share === null || share === undefined) return '–';
  const value = share * 100;
  if (value > 0 && value < 1) return '<1 %';
  return `${Math.round(value)} %`;
}

/** A duration in milliseconds: from a minute on in two units, and below it in one. */
export function duration(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms < 0.9995) return ms <= 0 ? '0 ms' : `${Math.max(1, Math.round(ms * 1000))} µs`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A moment as the time of the day. */
export function clock(ms) {
  return ms === null || ms === undefined ? '–' : new Date(ms).toLocaleTimeString([], { hour12: false });
}

/** How long ago a moment was; both are on the same clock. */
export function ago(ms, now) {
  return ms === null || ms === undefined ? '–' : `${duration(Math.max(0, now - ms))} ago`;
}

/** The longest place that is shown with its folder. */
const PLACE_LENGTH = 24;

/** A place in source code, with no more of its path than fits a column: the file, and its folder if that is short. */
export function place(full) {
  if (!full) return '–';
  const parts = full.split('/');
  const two = parts.slice(-2).join('/');
  return two.length <= PLACE_LENGTH ? two : parts.at(-1);
}

/** A pattern for a filter that finds exactly this text. A point stays: it also finds itself. */
export function literal(value) {
  return value.replace(/[\\+*?^$|()[\]{}]/g, '\\$&');
}

/** A number with its noun: `1 crash`, `2 crashes`. */
export function many(n, one, more = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : more}`;
}
