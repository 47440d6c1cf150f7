import { MaestroError } from '@maestro/protocol';
import { hasFunction, REFUSED_FUNCTIONS } from './functions.ts';
import type { Value } from './value.ts';

/** An operand of a command. */
export type Operand =
  | { readonly kind: 'constant'; readonly value: Value }
  /** `.name`; the dot alone has no name. */
  | { readonly kind: 'field'; readonly name: string | undefined }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'pipeline'; readonly commands: Pipeline };

/** `.msg | trunc 10`: each command's result is the last operand of the next one. */
export type Pipeline = readonly (readonly Operand[])[];

/** A node of a template. */
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipeline: Pipeline }
  | { readonly kind: 'if' | 'with'; readonly pipeline: Pipeline; readonly then: readonly Node[]; readonly otherwise: readonly Node[] };

const ACTION = /\{\{(- )?((?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|[^"`}]|\}(?!\}))*?)( -)?\}\}/g;
/** Forms of a word: a string, a raw string, a path of labels, a number, a name, a sign. */
const WORDS = [
  /("(?:[^"\\\n]|\\.)*")/,
  /`([^`]*)`/,
  /(\.[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)/,
  /([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w.])/,
  /([A-Za-z_][A-Za-z0-9_]*)/,
  /([.|()])/,
];
const WORD = new RegExp(`\\s*(?:${WORDS.map(({ source }) => source).join('|')})`, 'y');
const UNSUPPORTED = ['range', 'define', 'template', 'block', 'break', 'continue'];
/** Maximum nesting of brackets and blocks. */
const MAX_DEPTH = 20;

/** A token of an action; the quotes of strings are removed. */
interface Word {
  readonly type: 'string' | 'field' | 'number' | 'name' | 'mark';
  readonly text: string;
}

/**
 * Parses a template of Go's text/template, as used by `line_format` and `label_format`: fields, pipelines, functions, `if`, `with`, `else`.
 * @throws MaestroError `invalid-argument` for an error, and for what is not supported, naming it.
 */
export function parseTemplate(template: string): readonly Node[] {
  const parts = split(template);
  let at = 0;
  /** Parses up to the action that ends a block, and returns that too. */
  const parseNodes = (depth: number): { readonly nodes: readonly Node[]; readonly end: readonly Word[] | undefined } => {
    if (depth > MAX_DEPTH) throw mistake(`nested more than ${MAX_DEPTH} deep`);
    const nodes: Node[] = [];
    while (at < parts.length) {
      const part = parts[at++]!;
      if (typeof part === 'string') {
        if (part !== '') nodes.push({ kind: 'text', text: part });
        continue;
      }
      const [first, ...rest] = part;
      if (first?.type !== 'name') nodes.push({ kind: 'print', pipeline: parsePipeline(part) });
      else if (first.text === 'end' || first.text === 'else') return { nodes, end: part };
      else if (first.text === 'if' || first.text === 'with') nodes.push(parseBlock(first.text, rest, depth));
      else if (UNSUPPORTED.includes(first.text)) throw mistake(`{{${first.text}}} is not supported; if, with, else and end are`);
      else nodes.push({ kind: 'print', pipeline: parsePipeline(part) });
    }
    return { nodes, end: undefined };
  };
  const parseBlock = (kind: 'if' | 'with', condition: readonly Word[], depth: number): Node => {
    const pipeline = parsePipeline(condition);
    const { nodes: then, end } = parseNodes(depth + 1);
    if (end === undefined) throw mistake(`{{${kind}}} without {{end}}`);
    if (end[0]!.text === 'end') return { kind, pipeline, then, otherwise: [] };
    const [, word, ...rest] = end;
    if (word?.text === 'if' || word?.text === 'with') return { kind, pipeline, then, otherwise: [parseBlock(word.text, rest, depth + 1)] };
    const { nodes: otherwise, end: last } = parseNodes(depth + 1);
    if (last === undefined || last[0]!.text !== 'end') throw mistake('{{else}} without {{end}}');
    return { kind, pipeline, then, otherwise };
  };
  const { nodes, end } = parseNodes(0);
  if (end !== undefined) throw mistake(`unexpected {{${end[0]!.text}}}`);
  return nodes;
}

function mistake(message: string): MaestroError {
  return new MaestroError('invalid-argument', message);
}

/** Splits into alternating texts and actions; `{{-` and `-}}` trim the adjacent space. */
function split(template: string): (string | readonly Word[])[] {
  const parts: (string | readonly Word[])[] = [];
  let last = 0;
  let isTrimmed = false;
  const text = (to: number, trimEnd: boolean): string => {
    let piece = template.slice(last, to);
    if (isTrimmed) piece = piece.trimStart();
    if (trimEnd) piece = piece.trimEnd();
    if (piece.includes('{{')) throw mistake('an action {{ has no end }}');
    return piece;
  };
  for (const { 0: all, 1: before, 2: action, 3: after, index } of template.matchAll(ACTION)) {
    parts.push(text(index, before !== undefined));
    if (!/^\/\*.*\*\/$/s.test(action!.trim())) parts.push(words(action!));
    last = index + all.length;
    isTrimmed = after !== undefined;
  }
  parts.push(text(template.length, false));
  return parts;
}

function words(action: string): Word[] {
  const found: Word[] = [];
  WORD.lastIndex = 0;
  while (WORD.lastIndex < action.trimEnd().length) {
    const from = WORD.lastIndex;
    const match = WORD.exec(action);
    if (match === null) {
      const rest = action.slice(from).trim();
      if (rest.startsWith('$')) throw mistake(`variables such as ${/^\$\w*/.exec(rest)![0]} are not supported`);
      throw mistake(`unexpected ${JSON.stringify(rest.slice(0, 20))} in {{${action.trim()}}}`);
    }
    const [, quoted, raw, field, number, name, mark] = match;
    if (quoted !== undefined) found.push({ type: 'string', text: unquote(quoted) });
    else if (raw !== undefined) found.push({ type: 'string', text: raw });
    else if (field !== undefined) found.push({ type: 'field', text: field.slice(1) });
    else if (number !== undefined) found.push({ type: 'number', text: number });
    else if (name !== undefined) found.push({ type: 'name', text: name });
    else found.push({ type: 'mark', text: mark! });
  }
  return found;
}

function unquote(quoted: string): string {
  try {
    return JSON.parse(quoted.replace(/\\x([0-9a-fA-F]{2})/g, '\\u00$1').replace(/\t/g, '\\t')) as string;
  } catch {
    throw mistake(`${quoted} is no string: an escape is not known`);
  }
}

function parsePipeline(all: readonly Word[]): Pipeline {
  let at = 0;
  const isMark = (mark: string): boolean => all[at]?.type === 'mark' && all[at]!.text === mark;
  const parse = (depth: number): Pipeline => {
    if (depth > MAX_DEPTH) throw mistake(`nested more than ${MAX_DEPTH} deep`);
    const commands: Operand[][] = [];
    do {
      const operands: Operand[] = [];
      while (at < all.length && !isMark('|') && !isMark(')')) operands.push(parseOperand(depth));
      if (operands.length === 0) throw mistake('missing value for command');
      if (operands.length > 1 && operands[0]!.kind !== 'function') throw mistake("can't give argument to non-function");
      if (commands.length > 0 && operands[0]!.kind !== 'function') throw mistake('only a function can stand behind |');
      commands.push(operands);
    } while (isMark('|') && ++at);
    return commands;
  };
  const parseOperand = (depth: number): Operand => {
    const { type, text } = all[at++]!;
    if (type === 'string') return { kind: 'constant', value: text };
    if (type === 'number') return { kind: 'constant', value: /[.e]/.test(text) ? Number(text) : BigInt(text.replace(/^\+/, '')) };
    if (type === 'field') {
      if (text.includes('.')) throw mistake(`.${text}: a label has no fields of its own`);
      return { kind: 'field', name: text };
    }
    if (type === 'name') {
      if (text === 'true' || text === 'false') return { kind: 'constant', value: text === 'true' };
      if (REFUSED_FUNCTIONS.includes(text)) throw mistake(`the function ${text} is not supported`);
      if (!hasFunction(text)) throw mistake(`function ${JSON.stringify(text)} not defined`);
      return { kind: 'function', name: text };
    }
    if (text === '.') return { kind: 'field', name: undefined };
    if (text !== '(') throw mistake(`unexpected ${text}`);
    const commands = parse(depth + 1);
    if (!isMark(')')) throw mistake('( has no end');
    at++;
    return { kind: 'pipeline', commands };
  };
  const pipeline = parse(0);
  if (at < all.length) throw mistake(`unexpected ${all[at]!.text}`);
  return pipeline;
}
