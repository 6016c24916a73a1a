// The address of a view: `#/tasks?text=x`. Reload, back and a sent link lead to the same view.

/** Returns the view and the parameters in the address. */
export function current() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [view, ...rest] = path.split('/');
  return { view: view || 'overview', id: decode(rest.join('/')), parameters: Object.fromEntries(new URLSearchParams(query ?? '')) };
}

/** Decodes a part of an address; one that is not valid is returned as it is. */
export function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Makes an address. */
export function to(view, id, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters ?? {})) if (value) query.set(name, value);
  const string = query.toString();
  return `#/${view}${id ? `/${encodeURIComponent(id)}` : ''}${string ? `?${string}` : ''}`;
}

/** Replaces the parameters of the address, without another entry in the history of the browser. */
export function replace(parameters) {
  const { view, id } = current();
  history.replaceState(null, '', to(view, id, parameters));
}

/** The address of a process. */
export function task(pid) {
  return to('task', pid);
}
