import { type Extraction, type LabelChoice, type LabelFormat, LINE_FILTERS, type Stage, type Unwrap } from './ast.ts';
import { parseLabelFilter } from './parseLabelFilter.ts';
import type { Tokens } from './tokens.ts';

/** Maximum stages, and maximum names of one stage. */
const MAX_PARTS = 50;

/** Parses the stages after a selector, up to the first token that starts none. `| unwrap` ends them: only label filters may follow it. */
export function parsePipeline(tokens: Tokens): { readonly stages: readonly Stage[]; readonly unwrap: Unwrap | undefined } {
  const stages: Stage[] = [];
  for (;;) {
    if (stages.length > MAX_PARTS) throw tokens.error(`more than ${MAX_PARTS} stages`);
    const stage = parseLineFilter(tokens);
    if (stage !== undefined) {
      stages.push(stage);
      continue;
    }
    if (!tokens.take('|')) return { stages, unwrap: undefined };
    if (tokens.takeName(['unwrap']) !== undefined) return { stages, unwrap: parseUnwrap(tokens) };
    stages.push(parseStage(tokens));
  }
}

function parseLineFilter(tokens: Tokens): Stage | undefined {
  const { position } = tokens;
  const op = tokens.takeOneOf(LINE_FILTERS);
  if (op === undefined) return undefined;
  const expectText = (): string => {
    if (tokens.takeName(['ip']) !== undefined) throw tokens.unsupported('ip() is not supported', undefined, true);
    return tokens.expectString().value;
  };
  const values = [expectText()];
  while (tokens.takeName(['or']) !== undefined) values.push(expectText());
  return { kind: 'line', op, values, position };
}

/** Stages known by name; any other word begins a label filter. */
const STAGES = ['json', 'logfmt', 'pattern', 'regexp', 'line_format', 'label_format', 'drop', 'keep', 'decolorize'] as const;

function parseStage(tokens: Tokens): Stage {
  const kind = STAGES.find((each) => tokens.takeName([each]) !== undefined);
  switch (kind) {
    case undefined:
      return { kind: 'filter', filter: parseLabelFilter(tokens) };
    case 'json':
      return { kind, extractions: parseExtractions(tokens) };
    case 'logfmt': {
      const flags = new Set<string>();
      for (let flag = tokens.takeFlag(); flag !== undefined; flag = tokens.takeFlag()) {
        if (flag !== '--strict' && flag !== '--keep-empty')
          throw tokens.unsupported(`the flag ${flag} is not supported`, 'those of logfmt are --strict and --keep-empty', true);
        flags.add(flag);
      }
      return { kind, isStrict: flags.has('--strict'), keepsEmpty: flags.has('--keep-empty'), extractions: parseExtractions(tokens) };
    }
    case 'pattern':
    case 'regexp':
    case 'line_format': {
      const { value, position } = tokens.expectString();
      return { kind, text: value, position };
    }
    case 'label_format':
      return { kind, formats: parseList(tokens, parseLabelFormat) };
    case 'drop':
    case 'keep':
      return { kind, choices: parseList(tokens, parseChoice) };
    case 'decolorize':
      return { kind };
  }
}

function parseList<Item>(tokens: Tokens, parse: (tokens: Tokens) => Item): Item[] {
  const items = [parse(tokens)];
  while (tokens.take(',')) {
    if (items.length === MAX_PARTS) throw tokens.error(`more than ${MAX_PARTS} names`);
    items.push(parse(tokens));
  }
  return items;
}

/** Parses `name="expression"`, or `name` alone for a field of that name. */
function parseExtractions(tokens: Tokens): Extraction[] {
  if (!tokens.isNameNext(['offset'])) return [];
  return parseList(tokens, () => {
    const { position: at } = tokens;
    const name = tokens.expectName('a label name');
    if (!tokens.take('=')) return { name, expression: name, position: at };
    const { value, position } = tokens.expectString();
    return { name, expression: value, position };
  });
}

function parseLabelFormat(tokens: Tokens): LabelFormat {
  const { position } = tokens;
  const name = tokens.expectName('a label name');
  tokens.expect('=');
  const text = tokens.takeString();
  if (text !== undefined) return { name, from: { kind: 'template', text }, position };
  return { name, from: { kind: 'label', name: tokens.expectName('a label name, or a template in quotes') }, position };
}

function parseChoice(tokens: Tokens): LabelChoice {
  const name = tokens.expectName('a label name');
  const op = tokens.takeOneOf(['=', '!=', '=~', '!~'] as const);
  return op === undefined ? name : { name, op, ...tokens.expectString() };
}

const CONVERSIONS = ['bytes', 'duration', 'duration_seconds'] as const;

function parseUnwrap(tokens: Tokens): Unwrap {
  let name = tokens.expectName('a label name, or bytes(label) or duration(label)');
  let conversion: Unwrap['conversion'];
  if (tokens.take('(')) {
    conversion = CONVERSIONS.find((each) => each === name.toLowerCase());
    if (conversion === undefined)
      throw tokens.unsupported(`unwrap ${name}() is not supported`, `supported are ${CONVERSIONS.join(', ')}`, true);
    name = tokens.expectName('a label name');
    tokens.expect(')');
  }
  const filters = [];
  while (tokens.take('|')) {
    if (filters.length === MAX_PARTS) throw tokens.error(`more than ${MAX_PARTS} filters`);
    filters.push(parseLabelFilter(tokens));
  }
  return { name, conversion, filters };
}
