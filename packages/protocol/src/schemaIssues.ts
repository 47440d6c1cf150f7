import { z } from 'zod';
import { nearest } from './nearest.ts';

/** Of a value that was found, so many characters are shown. */
const MOST_FOUND_CHARACTERS = 200;

/** The sentences for the problems that zod found in `input`: path, what was found, what is allowed, and the nearest key. */
export function describeIssues(error: z.ZodError, schema: z.ZodType, input: unknown): string[] {
  const root = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }) as SchemaNode;
  return error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(root, path, input);
      return issue.keys.map((key) => {
        const near = nearest(key, known);
        const hint = near === undefined ? `allowed: ${known.join(', ')}` : `did you mean ${near}?`;
        return `${[...path, key].join('.')}: unknown key, ${hint}`;
      });
    }
    const found = valueAt(input, path);
    const text =
      issue.code === 'custom'
        ? issue.message
        : `${lowerFirst(issue.message.replace(/^Invalid (input|option): /, ''))}, found ${shortened(JSON.stringify(found) ?? 'nothing')}`;
    return `${path.length === 0 ? '(top level)' : path.join('.')}: ${text.replace(/, received \w+/, '')}`;
  });
}

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly oneOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
  readonly const?: unknown;
}

function keysAt(root: SchemaNode, path: readonly string[], input: unknown): string[] {
  let node: SchemaNode | undefined = root;
  for (const key of path) node = node?.properties?.[key];
  const variants = node?.oneOf ?? node?.anyOf ?? (node === undefined ? [] : [node]);
  const format = (valueAt(input, path) as { format?: unknown } | undefined)?.format;
  const chosen = variants.filter((variant) => variants.length === 1 || variant.properties?.format?.const === format);
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
