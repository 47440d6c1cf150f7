// @ts-check

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, unknown> & { key?: string, vars?: Record<string, string | number> }} Attributes
 */

const keys = new WeakMap();
const handlers = new WeakMap();
const kept = new WeakSet();
/** Attributes that people read or hear; others, such as `href`, are taken to the letter. */
const SHOWN_ATTRIBUTES = new Set(['title', 'aria-label', 'alt', 'placeholder']);
const SVG_TAGS = new Set(['svg', 'path', 'rect', 'line', 'g', 'title', 'circle']);

/**
 * Makes an element. `tag` may carry classes (`div.panel.wide`); functions under `on...` become handlers; `vars` are CSS custom
 * properties; `key` tells siblings apart for {@link patch}; true and false set and leave out an attribute.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T | string} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const [name = 'div', ...classes] = tag.split('.');
  const element = /** @type {HTMLElement} */ (
    SVG_TAGS.has(name) ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name)
  );
  if (classes.length > 0) element.setAttribute('class', classes.join(' '));
  /** @type {Record<string, unknown>} */
  const own = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'key') keys.set(element, value);
    else if (key === 'vars')
      for (const [variable, v] of Object.entries(attributes.vars ?? {})) element.style.setProperty(variable, String(v));
    else if (key === 'value' || key === 'checked') own[key] = value;
    else if (key.startsWith('on')) own[key] = value;
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value !== undefined && value !== null)
      element.setAttribute(key, SHOWN_ATTRIBUTES.has(key) ? shown(value) : String(value));
  }
  element.append(...toNodes(children));
  Object.assign(element, own); // after the children: a select's value needs its options
  handlers.set(element, own);
  return element;
}

/** @param {(Child | Child[])[]} children @returns {Node[]} */
function toNodes(children) {
  return children
    .flat()
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(shown(child))));
}

/**
 * Marks that change the order in which text is shown (Unicode TR 36, 3.7) and control characters: a name with one would turn round or hide
 * what stands beside it. A line feed and a tab stay.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be taken out
const HARMFUL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Text as it can be shown: everything that views show goes through this. @param {unknown} value */
const shown = (value) => String(value).replace(HARMFUL, '?');

/**
 * Marks an element as one that lives on by itself (a chart, a list that grows): views pass it along, {@link patch} moves it and
 * leaves its inside alone.
 * @template {Element} E
 * @param {E} element
 * @returns {E}
 */
export function keep(element) {
  kept.add(element);
  return element;
}

/**
 * Makes the children of `parent` look like `next` with as few changes as can be: what stays keeps its focus, selection and scroll.
 * @param {Element} parent
 * @param {(Child | Child[])[]} next
 */
export function patch(parent, ...next) {
  /** @type {Map<unknown, Element>} */
  const keyed = new Map();
  for (const child of parent.children) if (keys.has(child)) keyed.set(keys.get(child), child);
  /** @type {Node | null} */
  let cursor = parent.firstChild;
  for (const node of toNodes(next)) {
    const match = kept.has(/** @type {Element} */ (node)) ? node : keys.has(node) ? keyed.get(keys.get(node)) : cursor;
    if (match === node || (match !== null && match !== undefined && isSameKind(match, node))) {
      if (match === cursor) cursor = match.nextSibling;
      else parent.insertBefore(match, cursor);
      if (match !== node) patchNode(match, node);
    } else {
      parent.insertBefore(node, cursor);
    }
  }
  while (cursor !== null) {
    const after = cursor.nextSibling;
    parent.removeChild(cursor);
    cursor = after;
  }
}

/** @param {Node} old @param {Node} next */
function isSameKind(old, next) {
  return old.nodeName === next.nodeName && !kept.has(/** @type {Element} */ (old)) && keys.get(old) === keys.get(next);
}

/** @param {Node} old @param {Node} next */
function patchNode(old, next) {
  if (!(old instanceof Element) || !(next instanceof Element)) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    // The browser's own mark of an open <details> or <dialog> is the user's to change.
    if (!next.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    // Styles are custom properties, set through the object model: the content policy refuses style attributes.
    if (name === 'style') copyVariables(/** @type {HTMLElement} */ (old), /** @type {HTMLElement} */ (next));
    else if (old.getAttribute(name) !== value && name !== 'open') old.setAttribute(name, value);
  }
  patch(old, ...next.childNodes);
  const [before, now] = [handlers.get(old) ?? {}, handlers.get(next) ?? {}];
  for (const key of Object.keys(before)) if (!(key in now)) Object.assign(old, { [key]: null });
  for (const [key, value] of Object.entries(now)) if (/** @type {any} */ (old)[key] !== value) Object.assign(old, { [key]: value });
  handlers.set(old, now);
}

/** @param {HTMLElement} old @param {HTMLElement} next */
function copyVariables(old, next) {
  for (const name of next.style) {
    const value = next.style.getPropertyValue(name);
    if (old.style.getPropertyValue(name) !== value) old.style.setProperty(name, value);
  }
}

/**
 * Calls `render` at most once a frame, however often the result is called.
 * @param {() => void} render
 */
export function onceAFrame(render) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    // A hidden page gets no frames; it is drawn when it is looked at, and a timer keeps tests and printing honest.
    const draw = () => {
      if (!isDue) return;
      isDue = false;
      render();
    };
    requestAnimationFrame(draw);
    setTimeout(draw, 250);
  };
}
