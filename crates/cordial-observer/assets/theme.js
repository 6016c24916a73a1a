// Light or dark: as the system says, unless the person chooses.

const NAMES = ['system', 'light', 'dark'];

function stored() {
  try {
    return localStorage.getItem('observer-theme');
  } catch {
    return null;
  }
}

/** The chosen theme. */
export function chosen() {
  return NAMES.includes(stored()) ? stored() : 'system';
}

/** Applies a theme to the page, and remembers it. */
export function apply(name) {
  try {
    localStorage.setItem('observer-theme', name);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  if (name === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

/** Goes to the next theme, and returns its name. */
export function cycle() {
  const now = document.documentElement.dataset.theme ?? 'system';
  const next = NAMES[(NAMES.indexOf(now) + 1) % NAMES.length];
  apply(next);
  return next;
}
