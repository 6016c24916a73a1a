// Elements. Text from the program enters the page only as text nodes and attribute values, never as markup.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Control characters, characters that change the direction of the text around them, and invisible ones. Line ends, tabs, and the
 * two joiners that scripts and emoji need stay. As in `is_hidden` of the server.
 */
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]/gu;

/** Writes hidden characters as `\u202e`, so that a label cannot imitate another one or turn the text behind it around. */
export function visible(value) {
  return String(value).replace(HIDDEN, (character) => {
    const code = character.codePointAt(0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });
}

/** Attributes that people read. */
const READ = ['title', 'aria-label'];

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : visible(child));
  }
  return element;
}

function setAll(element, attributes) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : READ.includes(name) ? visible(value) : value);
  }
  return element;
}

/** Makes an HTML element; a function under `onclick` and the like becomes a listener. */
export function h(tag, attributes, ...children) {
  return append(setAll(document.createElement(tag), attributes), children);
}

/** Makes an SVG element. */
export function s(tag, attributes, ...children) {
  return append(setAll(document.createElementNS(SVG, tag), attributes), children);
}

/** Replaces what an element contains. */
export function replace(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

/** Sets the text of an element, but only if it differs, so that a selection survives an update. */
export function text(element, value) {
  const string = visible(value);
  if (element.textContent !== string) element.textContent = string;
  return element;
}

/** Sets or removes an attribute, but only if it differs. */
export function attribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    element.removeAttribute(name);
    return;
  }
  const string = READ.includes(name) ? visible(value) : String(value);
  if (element.getAttribute(name) !== string) element.setAttribute(name, string);
}

/** Announces a sentence to screen readers. */
export function speak(sentence) {
  text(document.getElementById('spoken'), sentence);
}

/**
 * Shows one element for each item, and keeps the element of an item that stays, so that the focus stays, too.
 * `make(item)` returns a new element; `fill(element, item)` updates it. Of items with the same key, each has its own element.
 */
export function keyed(container, items, key, make, fill) {
  const focused = container.contains(document.activeElement) ? document.activeElement : null;
  const old = new Map();
  for (const child of container.children) {
    if (!old.has(child.dataset.key)) old.set(child.dataset.key, []);
    old.get(child.dataset.key).push(child);
  }
  const elements = items.map((item) => {
    const id = String(key(item));
    const element = old.get(id)?.shift() ?? make(item);
    element.dataset.key = id;
    fill(element, item);
    return element;
  });
  for (const gone of old.values()) gone.forEach((child) => child.remove());
  elements.forEach((element, index) => {
    if (container.children[index] !== element) container.insertBefore(element, container.children[index] ?? null);
  });
  // An element that was moved has lost the focus.
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

/** What can have the focus. */
const FOCUSABLE = 'a[href], button, input, [tabindex]';

/**
 * Replaces the content of an element that may have the focus: the focus goes to the new element with the same `data-keep`, or
 * the same address.
 */
export function redraw(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const mark = (candidate) => candidate.dataset.keep ?? candidate.getAttribute('href');
  const alike = (wanted) => [...element.querySelectorAll(FOCUSABLE)].filter((candidate) => mark(candidate) === wanted);
  const wanted = focused && mark(focused);
  const index = wanted ? alike(wanted).indexOf(focused) : -1;
  replace(element, ...children);
  if (index >= 0) (alike(wanted)[index] ?? alike(wanted)[0])?.focus({ preventScroll: true });
  return element;
}
