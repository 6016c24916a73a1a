// Requests to the server. One that fails throws an error whose message is a sentence for the person.

/** A request that failed: `status` is 0 if there was no answer. */
export class ApiError extends Error {
  constructor(status, sentence, body) {
    super(sentence);
    this.status = status;
    this.body = body ?? {};
  }
}

const TIMEOUT_MS = 10_000;
let csrf = '';

/** Sets the value of the header against forged requests, without which the server refuses actions. */
export function setCsrf(token) {
  csrf = token ?? '';
}

async function send(path, options, limit = TIMEOUT_MS) {
  let response;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(limit), cache: 'no-store', credentials: 'same-origin' });
  } catch (error) {
    const late = error.name === 'TimeoutError';
    throw new ApiError(0, late ? `The program has not answered for ${limit / 1000} s.` : 'The program does not answer: it has ended, or the network is down.');
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    if (response.ok && response.status !== 204) throw new ApiError(response.status, 'The answer of the server was cut off.');
  }
  if (!response.ok) throw new ApiError(response.status, body?.error ?? `The server answered with status ${response.status}`, body);
  return body;
}

/** Gets JSON; parameters that are empty are left out. */
export function get(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (value !== null && value !== undefined && value !== '' && value !== false) query.set(name, value);
  }
  const string = query.toString();
  return send(string ? `${path}?${string}` : path);
}

/** Asks for a stream, only to learn whether the server refuses it. */
export async function probe(path) {
  const controller = new AbortController();
  const limit = setTimeout(() => controller.abort(), TIMEOUT_MS);
  try {
    const response = await fetch(path, { signal: controller.signal, cache: 'no-store', credentials: 'same-origin' });
    if (response.ok) return;
    const body = await response.json().catch(() => null);
    throw new ApiError(response.status, body?.error ?? `The server answered with status ${response.status}`, body);
  } catch (error) {
    throw error instanceof ApiError ? error : new ApiError(0, 'The program does not answer: it has ended, or the network is down.');
  } finally {
    clearTimeout(limit);
    controller.abort();
  }
}

/** Posts JSON with the header against forged requests. */
export function post(path, value, limit) {
  const headers = { 'content-type': 'application/json', 'x-cordial-csrf': csrf };
  return send(path, { method: 'POST', headers, body: JSON.stringify(value) }, limit);
}

/**
 * Returns a function that calls `load`, or, while a call is in progress, once more after it. So a slow server gets one request at a time, and no older
 * answer replaces a newer one.
 */
export function oneByOne(load) {
  let busy = false;
  let again = false;
  return async function run() {
    again = true;
    if (busy) return;
    busy = true;
    try {
      while (again) {
        again = false;
        await load();
      }
    } finally {
      busy = false;
    }
  };
}
