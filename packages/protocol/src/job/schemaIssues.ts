import { z } from 'zod';
import { normalWord, ourWordFor } from '../foreignWords.ts';
import { nearest } from './nearest.ts';

/** Limits the characters shown of an invalid value. */
const MOST_FOUND_CHARACTERS = 200;

/** Describes the problems that zod found in `input`: path, value found, values allowed, and the nearest key. */
export function describeIssues(error: z.ZodError, schema: z.ZodType, input: unknown): string[] {
  const root = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }) as SchemaNode;
  return error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(root, path, input);
      return issue.keys.map(
        (key) => `${[...path, key].join('.')}: unknown key, ${hintFor([...path, key].join('.'), known, pathsOf(root))}`,
      );
    }
    const found = valueAt(input, path);
    const variants = issue.code === 'invalid_union' ? nodeAt(root, path)?.enum : undefined;
    const said =
      variants === undefined ? lowerFirst(issue.message.replace(/^Invalid (input|option): /, '')) : `expected one of ${quoted(variants)}`;
    const shown = typeof found === 'number' ? String(found) : (JSON.stringify(found) ?? 'nothing');
    const text = issue.code === 'custom' ? issue.message : `${said}, found ${shortened(shown)}${meant(path, found, nodeAt(root, path))}`;
    return `${path.length === 0 ? '(top level)' : path.join('.')}: ${text.replace(/, received \w+/, '')}`;
  });
}

/** Suggests a replacement for an unknown key. */
function hintFor(place: string, known: readonly string[], all: readonly string[]): string {
  const key = place.split('.').at(-1)!;
  const spelled = known.find((each) => normalWord(each) === normalWord(key));
  if (spelled !== undefined) return `did you mean ${spelled}?`;
  const ours = ourWordFor(key, all);
  // Schemas other than the job file's have none of its keys.
  if (ours?.path !== place && ours?.path.split(' and ').every((each) => all.includes(each)))
    return `here it is ${ours.path}${ours.note === undefined ? '' : ` (${ours.note})`}`;
  const near = nearest(key, known);
  return near === undefined ? `allowed: ${known.join(', ')}` : `did you mean ${near}?`;
}

/** Suggests the intended value: one with the same spelling or beginning but for the last letter, or a section in place of a word. */
function meant(path: readonly string[], found: unknown, node: SchemaNode | undefined): string {
  if (typeof found !== 'string') return '';
  const key = path.join('.');
  if (key === 'model') return '; write model: { preset: NAME }';
  if (key === 'data') return '; write data: { format: image-folder, path: DIR }, or idx or webdataset';
  if (key === 'resources.device') return '; use cuda for NVIDIA GPUs, webgpu for others';
  const more = key === 'recipe' ? '; modules of other recipes are loaded by MAESTRO_RECIPES, in every process' : '';
  const allowed = node?.enum?.map(String) ?? [];
  const near =
    allowed.find((value) => normalWord(value).includes(normalWord(found))) ??
    nearest(found, allowed) ??
    (found.length > 1 ? allowed.find((value) => value.toLowerCase().startsWith(found.toLowerCase().slice(0, -1))) : undefined);
  return near === undefined ? more : `; did you mean ${near}?`;
}

function quoted(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join('|');
}

/** Returns the dotted paths of all keys that hold values. */
export function pathsOf(node: SchemaNode, prefix = ''): string[] {
  const variants = [node, ...(node.oneOf ?? node.anyOf ?? [])];
  const entries = variants.flatMap(({ properties = {} }) => Object.entries(properties));
  return entries.flatMap(([key, child]) => {
    const below = pathsOf(child, `${prefix}${key}.`);
    return below.length > 0 ? below : [`${prefix}${key}`];
  });
}

function nodeAt(root: SchemaNode, path: readonly string[]): SchemaNode | undefined {
  let node: SchemaNode | undefined = root;
  for (const key of path) {
    const found: SchemaNode[] = [node, ...(node?.oneOf ?? node?.anyOf ?? [])].flatMap((variant) => variant?.properties?.[key] ?? []);
    // Each variant has one value of the key that discriminates them.
    const values = found.flatMap(({ const: value, enum: more = [] }) => (value === undefined ? more : [value]));
    node = found[0] && (values.length > 0 ? { ...found[0], enum: values } : found[0]);
  }
  return node;
}

/** A part of a JSON Schema. */
export interface SchemaNode {
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly oneOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
  readonly const?: unknown;
  readonly default?: unknown;
}

function keysAt(root: SchemaNode, path: readonly string[], input: unknown): string[] {
  let node: SchemaNode | undefined = root;
  for (const key of path) node = node?.properties?.[key];
  const variants = node?.oneOf ?? node?.anyOf ?? (node === undefined ? [] : [node]);
  const found = valueAt(input, path) as Readonly<Record<string, unknown>> | undefined;
  // Variants are told apart by keys that have one value each.
  const isChosen = ({ properties = {} }: SchemaNode): boolean =>
    Object.entries(properties).every(([key, { const: value, default: left }]) => value === undefined || (found?.[key] ?? left) === value);
  const chosen = variants.filter((variant) => variants.length === 1 || isChosen(variant));
  return chosen.flatMap((variant) => Object.keys(variant.properties ?? {}));
}

function valueAt(input: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], input);
}

function shortened(text: string): string {
  return text.length <= MOST_FOUND_CHARACTERS ? text : `${text.slice(0, MOST_FOUND_CHARACTERS)}... (${text.length} characters)`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
