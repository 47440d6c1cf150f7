import type { FilterValue, LabelFilter, Stage } from './ast.ts';
import type { Tokens } from './tokens.ts';

/** Most stages, and most conditions of one filter. */
const MAX_PARTS = 50;

/** Parses the stages behind a selector, up to whatever starts none. */
export function parsePipeline(tokens: Tokens): Stage[] {
  const stages: Stage[] = [];
  for (let stage = parseStage(tokens); stage !== undefined; stage = parseStage(tokens)) {
    stages.push(stage);
    if (stages.length > MAX_PARTS) throw tokens.error(`more than ${MAX_PARTS} stages`);
  }
  return stages;
}

function parseStage(tokens: Tokens): Stage | undefined {
  const { position } = tokens;
  const op = tokens.takeOneOf(['|=', '!=', '|~', '!~'] as const);
  if (op !== undefined) {
    const values = [tokens.expectString().value];
    while (tokens.takeName(['or']) !== undefined) values.push(tokens.expectString().value);
    return { kind: 'line', op, values, position };
  }
  if (!tokens.take('|')) return undefined;
  if (tokens.takeName(['json']) !== undefined) return { kind: 'json' };
  if (tokens.takeName(['drop']) !== undefined) {
    const names = [tokens.expectName('a label name')];
    while (tokens.take(',')) names.push(tokens.expectName('a label name'));
    return { kind: 'drop', names };
  }
  return { kind: 'filter', filter: parseOr(tokens, { parts: 0 }) };
}

/** `and` binds stronger than `or`; a comma is an `and`. `budget` counts conditions and brackets over the whole filter. */
function parseOr(tokens: Tokens, budget: { parts: number }): LabelFilter {
  let left = parseAnd(tokens, budget);
  while (tokens.takeName(['or']) !== undefined) left = { kind: 'or', left, right: parseAnd(tokens, budget) };
  return left;
}

function parseAnd(tokens: Tokens, budget: { parts: number }): LabelFilter {
  let left = parseCondition(tokens, budget);
  while (tokens.takeName(['and']) !== undefined || tokens.take(',')) {
    left = { kind: 'and', left, right: parseCondition(tokens, budget) };
  }
  return left;
}

function parseCondition(tokens: Tokens, budget: { parts: number }): LabelFilter {
  budget.parts++;
  if (budget.parts > MAX_PARTS) throw tokens.error(`more than ${MAX_PARTS} conditions`);
  if (tokens.take('(')) {
    const inner = parseOr(tokens, budget);
    tokens.expect(')');
    return inner;
  }
  const name = tokens.expectName('json, drop, or a label filter such as step > 10');
  const op = tokens.takeOneOf(['=', '==', '!=', '=~', '!~', '>', '>=', '<', '<='] as const);
  // A word that nothing is compared with is a stage that we have not, such as logfmt or line_format.
  if (op === undefined) throw tokens.unsupported(`the stage | ${name} is not supported`, undefined, true);
  const { position } = tokens;
  const { type, value } = tokens.expectValue();
  const isPattern = op === '=~' || op === '!~';
  const isOrder = op === '==' || op.startsWith('>') || op.startsWith('<');
  if (isPattern && type !== 'string')
    throw tokens.unsupported(`${op} compares with a pattern in quotes`, 'such as name=~"worker-[ab]"', true);
  if (isOrder && type === 'string') throw tokens.unsupported(`${op} compares numbers`, 'such as step > 10 or seconds >= 1.5s', true);
  return { kind: 'compare', name, op, value: { type, value } as FilterValue, position };
}
