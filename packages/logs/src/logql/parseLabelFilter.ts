import type { FilterValue, LabelFilter } from './ast.ts';
import type { Tokens } from './tokens.ts';

/** Maximum conditions of one filter. */
const MAX_CONDITIONS = 50;

/**
 * Parses a label filter such as `step > 10 and (worker="a" or took >= 1.5s)`. `and` binds tighter than `or`; a comma, or nothing at all
 * between two conditions, means `and`.
 */
export function parseLabelFilter(tokens: Tokens): LabelFilter {
  return parseOr(tokens, { conditions: 0 });
}

/** `budget` counts conditions and brackets over the whole filter. */
function parseOr(tokens: Tokens, budget: { conditions: number }): LabelFilter {
  let left = parseAnd(tokens, budget);
  while (tokens.takeName(['or']) !== undefined) left = { kind: 'or', left, right: parseAnd(tokens, budget) };
  return left;
}

function parseAnd(tokens: Tokens, budget: { conditions: number }): LabelFilter {
  let left = parseCondition(tokens, budget);
  while (tokens.takeName(['and']) !== undefined || tokens.take(',') || tokens.isNameNext(['or', 'and', 'offset'])) {
    left = { kind: 'and', left, right: parseCondition(tokens, budget) };
  }
  return left;
}

function parseCondition(tokens: Tokens, budget: { conditions: number }): LabelFilter {
  budget.conditions++;
  if (budget.conditions > MAX_CONDITIONS) throw tokens.error(`more than ${MAX_CONDITIONS} conditions`);
  if (tokens.take('(')) {
    const inner = parseOr(tokens, budget);
    tokens.expect(')');
    return inner;
  }
  const name = tokens.expectName('a stage such as json, or a label filter such as step > 10');
  const op = tokens.takeOneOf(['=', '==', '!=', '=~', '!~', '>', '>=', '<', '<='] as const);
  // A name without a comparison is an unsupported stage, such as unpack.
  if (op === undefined) throw tokens.unsupported(`the stage | ${name} is not supported`, undefined, true);
  if (tokens.takeName(['ip']) !== undefined) throw tokens.unsupported('ip() is not supported', undefined, true);
  const { position, type, value } = tokens.expectValue();
  const isPattern = op === '=~' || op === '!~';
  const isOrder = op === '==' || op.startsWith('>') || op.startsWith('<');
  if (isPattern && type !== 'string')
    throw tokens.unsupported(`${op} compares with a pattern in quotes`, 'such as name=~"worker-[ab]"', true);
  if (isOrder && type === 'string') throw tokens.unsupported(`${op} compares numbers`, 'such as step > 10 or seconds >= 1.5s', true);
  return { kind: 'compare', name, op, value: { type, value } as FilterValue, position };
}
