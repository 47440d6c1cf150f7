// @ts-check
import { h } from '../dom.js';

/**
 * @typedef {import('../types/api.d.ts').SchemaNode} SchemaNode
 * @typedef {Record<string, unknown>} Values what was filled in, nested as in the job file; what was left out has its default
 */

/** Sections that most people fill in are open; the others wait behind a click. */
const OPEN_SECTIONS = ['data', 'schedule', 'model', 'resources'];

/**
 * @typedef {{ tone: 'green' | 'amber' | 'red' | 'grey', text: string }} FieldNote what was found out about a value
 */

/**
 * The form of a JSON Schema: a section for each object, a field for each value, the server's messages at the fields they speak of.
 * @param {{ schema: SchemaNode, values: Values, errors: ReadonlyMap<string, string>, notes: ReadonlyMap<string, FieldNote>,
 *   change: (path: readonly string[], value: unknown) => void }} form
 */
export function schemaForm({ schema, values, errors, notes, change }) {
  const entries = Object.entries(schema.properties ?? {});
  const plain = entries.filter(([, node]) => variantsOf(node).length === 0 && node.type !== 'object');
  const sections = entries.filter(([, node]) => variantsOf(node).length > 0 || node.type === 'object');
  sections.sort(([a], [b]) => rankOf(a) - rankOf(b));
  const fieldOf = (/** @type {readonly string[]} */ path, /** @type {SchemaNode} */ node, /** @type {boolean} */ isRequired) =>
    field({
      path,
      node,
      isRequired,
      value: valueAt(values, path),
      error: errors.get(path.join('.')),
      note: notes.get(path.join('.')),
      change,
    });
  return h(
    'div.form-sections',
    {},
    h(
      'section.panel',
      { 'aria-label': 'General' },
      h('header.panel-head', {}, h('h2', {}, 'General')),
      h('div.fields', {}, ...plain.filter(([, node]) => node.const === undefined).map(([key, node]) => fieldOf([key], node, false))),
    ),
    ...sections.map(([key, node]) => section({ key, node, values, errors, fieldOf, change })),
  );
}

/** Where a section stands: those that people fill in come first. @param {string} key */
function rankOf(key) {
  const rank = OPEN_SECTIONS.indexOf(key);
  return rank < 0 ? OPEN_SECTIONS.length : rank;
}

/**
 * @param {{ key: string, node: SchemaNode, values: Values, errors: ReadonlyMap<string, string>,
 *   fieldOf: (path: readonly string[], node: SchemaNode, isRequired: boolean) => HTMLElement,
 *   change: (path: readonly string[], value: unknown) => void }} of
 */
function section({ key, node, values, errors, fieldOf, change }) {
  const variants = variantsOf(node);
  const chosen = variants.length === 0 ? node : shownVariant(variants, valueAt(values, [key]));
  const required = new Set(chosen.required ?? []);
  const fields = Object.entries(chosen.properties ?? {}).flatMap(([name, child]) => {
    if (variants.length > 0 && name === discriminatorOf(variants)) {
      return [{ isPlain: true, element: variantField([key, name], variants, valueAt(values, [key, name]) ?? child.const, errors, change) }];
    }
    if (child.const !== undefined) return [];
    if (variantsOf(child).length > 0) {
      return nestedFields([key, name], variantsOf(child), values, errors, fieldOf, change).map((element) => ({ isPlain: true, element }));
    }
    // What has neither a default nor an explanation is for those who know it by name.
    const isPlain = child.default !== undefined || child.description !== undefined || (isObject(values[key]) && name in values[key]);
    return [{ isPlain, element: fieldOf([key, name], child, required.has(name)) }];
  });
  const rare = fields.filter(({ isPlain }) => !isPlain).map(({ element }) => element);
  const own = [...errors].filter(([path]) => path === key || path.startsWith(`${key}.`)).length;
  const general = errors.get(key);
  return h(
    'details.panel.form-section',
    { key, open: OPEN_SECTIONS.includes(key) },
    h('summary', {}, title(key), own > 0 && h('span.badge', { 'data-tone': 'red' }, own === 1 ? '1 error' : `${own} errors`)),
    general !== undefined && h('p.field-error', { class: 'field-error section-error', role: 'alert' }, general),
    h('div.fields', {}, ...fields.filter(({ isPlain }) => isPlain).map(({ element }) => element)),
    rare.length > 0 && h('details.more-fields', { key: 'more' }, h('summary', {}, `${rare.length} more`), h('div.fields', {}, ...rare)),
  );
}

/**
 * The fields of a choice within a section.
 * @param {readonly string[]} path
 * @param {readonly SchemaNode[]} variants
 * @param {Values} values
 * @param {ReadonlyMap<string, string>} errors
 * @param {(path: readonly string[], node: SchemaNode, isRequired: boolean) => HTMLElement} fieldOf
 * @param {(path: readonly string[], value: unknown) => void} change
 */
function nestedFields(path, variants, values, errors, fieldOf, change) {
  const name = discriminatorOf(variants);
  const properties = shownVariant(variants, valueAt(values, path)).properties ?? {};
  return Object.entries(properties).map(([key, node]) =>
    key === name
      ? variantField([...path, key], variants, valueAt(values, [...path, key]) ?? node.const, errors, change)
      : fieldOf([...path, key], node, false),
  );
}

/**
 * @param {{ path: readonly string[], node: SchemaNode, isRequired: boolean, value: unknown, error: string | undefined,
 *   note: FieldNote | undefined, change: (path: readonly string[], value: unknown) => void }} of
 */
function field({ path, node, isRequired, value, error, note, change }) {
  const id = `field-${path.join('-')}`;
  const described = [node.description && `${id}-hint`, note && `${id}-note`, error && `${id}-error`].filter(Boolean).join(' ');
  const common = {
    id,
    name: path.join('.'),
    'aria-invalid': error !== undefined && 'true',
    'aria-describedby': described !== '' && described,
    'aria-required': isRequired && 'true',
  };
  const preset = node.default === undefined || isObject(node.default) ? '' : shownValue(node.default);
  const read = (/** @type {Event} */ event) => {
    const { value: text } = /** @type {HTMLInputElement} */ (event.target);
    change(path, text === '' ? undefined : parsed(text, node));
  };
  const choices = node.enum ?? (node.type === 'boolean' ? [true, false] : undefined);
  const control = choices
    ? h(
        'select',
        { ...common, value: value === undefined ? '' : String(value), onchange: read },
        h('option', { value: '' }, preset === '' ? 'as in the preset' : `${preset} (default)`),
        ...choices.filter((choice) => String(choice) !== preset).map((choice) => h('option', { value: String(choice) }, String(choice))),
      )
    : h('input', {
        ...common,
        value: value === undefined ? '' : shownValue(value),
        placeholder: preset === '' ? (isRequired ? '' : 'not set') : preset,
        inputmode: node.type === 'integer' ? 'numeric' : node.type === 'number' ? 'decimal' : 'text',
        autocomplete: 'off',
        spellcheck: 'false',
        oninput: read,
      });
  const isWide = path.at(-1) === 'path' || path.at(-1) === 'resumeFrom';
  return h(
    'div.field',
    { key: id, class: isWide ? 'field is-wide' : 'field' },
    h('label', { for: id, class: isRequired ? 'required' : '' }, labelOf(path)),
    control,
    error !== undefined && h('p.field-error', { id: `${id}-error` }, error),
    note !== undefined && note.text !== error && h('p.field-note', { id: `${id}-note`, 'data-tone': note.tone, role: 'status' }, note.text),
    node.description && h('p.hint', { id: `${id}-hint` }, node.description),
  );
}

/** What a field is called in its section. @param {readonly string[]} path */
function labelOf(path) {
  return path.slice(Math.min(1, path.length - 1)).join('.');
}

/**
 * @param {readonly string[]} path
 * @param {readonly SchemaNode[]} variants
 * @param {unknown} current undefined: not chosen yet
 * @param {ReadonlyMap<string, string>} errors
 * @param {(path: readonly string[], value: unknown) => void} change
 */
function variantField(path, variants, current, errors, change) {
  const id = `field-${path.join('-')}`;
  const name = path.at(-1) ?? '';
  const error = current === undefined ? undefined : errors.get(path.join('.'));
  return h(
    'div.field',
    { key: id },
    h('label', { for: id }, labelOf(path)),
    h(
      'select',
      {
        id,
        name: path.join('.'),
        value: current === undefined ? '' : String(current),
        'aria-invalid': error !== undefined && 'true',
        onchange: (/** @type {Event} */ event) => change(path, /** @type {HTMLSelectElement} */ (event.target).value || undefined),
      },
      isFound(variants) && h('option', { value: '' }, 'found at the path'),
      ...variants.map((variant) =>
        h('option', { value: String(variant.properties?.[name]?.const) }, String(variant.properties?.[name]?.const)),
      ),
    ),
    error !== undefined && h('p.field-error', {}, error),
  );
}

/** The key of data sets by which variants are told apart, and which a look at the path finds. */
const FORMAT = 'format';
const PLACE_HINT =
  'the same on every worker: a folder of images, IDX files or packed shards, or s3://bucket/prefix, http(s)://…/index.json';

/** Whether a value of these variants is found by looking at its path. @param {readonly SchemaNode[]} variants */
function isFound(variants) {
  return discriminatorOf(variants) === FORMAT && variants.every(({ properties }) => properties?.['path'] !== undefined);
}

/**
 * The variant whose fields are shown: of a data set of which nothing is known yet, its path comes first.
 * @param {readonly SchemaNode[]} variants
 * @param {unknown} value
 * @returns {SchemaNode}
 */
function shownVariant(variants, value) {
  const chosen = chosenVariant(variants, value);
  if (!isFound(variants)) return chosen;
  const { path = {}, [FORMAT]: format = {}, ...others } = chosen.properties ?? {};
  const isChosen = isObject(value) && value[FORMAT] !== undefined;
  const place = isChosen ? path : { ...path, description: PLACE_HINT };
  return { ...chosen, properties: { path: place, [FORMAT]: isChosen ? format : {}, ...(isChosen && others) } };
}

/** @param {SchemaNode} node */
function variantsOf(node) {
  return node.oneOf ?? node.anyOf ?? [];
}

/** The key whose constant tells variants apart. @param {readonly SchemaNode[]} variants */
function discriminatorOf(variants) {
  const keys = Object.keys(variants[0]?.properties ?? {});
  return keys.find((key) => variants.every((variant) => variant.properties?.[key]?.const !== undefined)) ?? '';
}

/**
 * The variant that a value is of; the first when it says nothing.
 * @param {readonly SchemaNode[]} variants @param {unknown} value
 * @returns {SchemaNode}
 */
function chosenVariant(variants, value) {
  const key = discriminatorOf(variants);
  const said = isObject(value) ? value[key] : undefined;
  return variants.find((variant) => variant.properties?.[key]?.const === said) ?? variants[0] ?? {};
}

/**
 * The values that a form begins with: what tells variants apart must be in the file, but for what is found later.
 * @param {SchemaNode} schema
 * @returns {Values}
 */
export function initialValues(schema) {
  /** @type {Values} */
  const values = {};
  for (const [key, node] of Object.entries(schema.properties ?? {})) {
    const variants = variantsOf(node);
    const name = discriminatorOf(variants);
    if (variants.length > 0 && schema.required?.includes(key) && !isFound(variants))
      values[key] = { [name]: variants.at(-1)?.properties?.[name]?.const };
  }
  return values;
}

/**
 * `values` with one value changed; one that is taken out leaves no empty section behind.
 * @param {SchemaNode} schema @param {Values} values @param {readonly string[]} path @param {unknown} value
 * @returns {Values}
 */
export function withValue(schema, values, path, value) {
  const [key = '', ...rest] = path;
  const [name] = rest;
  if (name === undefined) return without({ ...values, [key]: value }, key, value === undefined);
  const before = isObject(values[key]) ? values[key] : {};
  const node = schema.properties?.[key] ?? {};
  const variants = variantsOf(node);
  const discriminator = discriminatorOf(variants);
  // Another variant knows other keys: what it does not know is left behind.
  const known =
    name !== discriminator
      ? undefined
      : value === undefined
        ? []
        : Object.keys(chosenVariant(variants, { [name]: value }).properties ?? {});
  const kept =
    known === undefined ? before : Object.fromEntries(Object.entries(before).filter(([each]) => each === 'path' || known.includes(each)));
  const needsDiscriminator = variants.length > 0 && !isFound(variants) && kept[discriminator] === undefined && discriminator !== name;
  const start = needsDiscriminator ? { [discriminator]: chosenVariant(variants, undefined).properties?.[discriminator]?.const } : {};
  const inner = variants.length === 0 ? node : chosenVariant(variants, { ...start, ...kept });
  const section = withValue(inner, { ...start, ...kept }, rest, value);
  return without({ ...values, [key]: section }, key, Object.keys(section).length === 0);
}

/** @param {Values} values @param {string} key @param {boolean} isOut */
function without(values, key, isOut) {
  if (!isOut) return values;
  const { [key]: _, ...rest } = values;
  return rest;
}

/**
 * What somebody typed, as the schema wants it; what does not fit stays text, so that the server can say what is wrong with it.
 * @param {string} text
 * @param {SchemaNode} node
 */
function parsed(text, node) {
  const number = (/** @type {string} */ part) => (part.trim() !== '' && Number.isFinite(Number(part)) ? Number(part) : part);
  if (node.type === 'array') return text.split(',').map((part) => number(part.trim()));
  if (node.type === 'boolean') return text === 'true';
  if (node.enum?.some((choice) => typeof choice === 'number')) return number(text);
  return node.type === 'number' || node.type === 'integer' ? number(text) : text;
}

/** @param {unknown} value */
function shownValue(value) {
  return Array.isArray(value)
    ? value.map((part) => (typeof part === 'number' ? Number(part.toPrecision(6)) : part)).join(', ')
    : String(value);
}

/** @param {Values} values @param {readonly string[]} path @returns {unknown} */
function valueAt(values, path) {
  return path.reduce((/** @type {unknown} */ at, key) => (isObject(at) ? at[key] : undefined), values);
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param {string} key */
function title(key) {
  return key.charAt(0).toUpperCase() + key.slice(1);
}
