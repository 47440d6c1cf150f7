import type { MaestroError } from '@maestro/protocol';
import { type Token, tokenize } from './lexer.ts';
import { queryError, SUPPORTED } from './queryError.ts';

/** A query's tokens and the place in them: what a recursive-descent parser asks for. `expect...` throws with the place, `take...` does not. */
export interface Tokens {
  isNext(operator: string): boolean;
  take(operator: string): boolean;
  takeOneOf<Operator extends string>(operators: readonly Operator[]): Operator | undefined;
  /** Takes one of these words. */
  takeName(names: readonly string[]): string | undefined;
  takeNumber(): number | undefined;
  expect(operator: string): void;
  expectOneOf<Operator extends string>(operators: readonly Operator[]): Operator;
  /** Any name; `wanted` says what it would be. */
  expectName(wanted: string): string;
  expectString(): { readonly value: string; readonly position: number };
  expectNumber(): number;
  /** In milliseconds. */
  expectDuration(): number;
  /** A string, number, duration or size. */
  expectValue(): Exclude<Token, { type: 'name' | 'operator' | 'end' }>;
  expectEnd(): void;
  readonly position: number;
  /** A mistake at the next token. */
  error(message: string): MaestroError;
  /** For LogQL that is beyond us; `isLast`: it was the token that was just taken. */
  unsupported(message: string, supported?: string, isLast?: boolean): MaestroError;
}

/** Opens the tokens of a query. */
export function openTokens(query: string): Tokens {
  const tokens = tokenize(query);
  let at = 0;
  const next = (): Token => tokens[at]!;
  const isOperator = (operator: string): boolean => next().type === 'operator' && next().value === operator;
  const fail = (message: string, position = next().position): MaestroError => queryError(query, position, message);
  const unexpected = (wanted: string): MaestroError => {
    const { type, position } = next();
    const end = tokens[at + 1]?.position ?? query.length;
    return fail(`unexpected ${type === 'end' ? 'end of the query' : query.slice(position, end).trim()}, expected ${wanted}`);
  };
  const take = (operator: string): boolean => {
    if (!isOperator(operator)) return false;
    at++;
    return true;
  };
  const takeOneOf = <Operator extends string>(operators: readonly Operator[]): Operator | undefined => operators.find((each) => take(each));
  const takeNumber = (): number | undefined => {
    const sign = isOperator('-') && tokens[at + 1]?.type === 'number' ? -1 : 1;
    if (sign < 0) at++;
    const token = next();
    if (token.type !== 'number') return undefined;
    at++;
    return sign * token.value;
  };
  return {
    isNext: isOperator,
    take,
    takeOneOf,
    takeName(names) {
      const { type, value } = next();
      if (type !== 'name' || !names.includes(value)) return undefined;
      at++;
      return value;
    },
    takeNumber,
    expect(operator) {
      if (!take(operator)) throw unexpected(operator);
    },
    expectOneOf(operators) {
      const found = takeOneOf(operators);
      if (found === undefined) throw unexpected(`one of ${operators.join(' ')}`);
      return found;
    },
    expectName(wanted) {
      const token = next();
      if (token.type !== 'name' || token.value.startsWith('$')) throw unexpected(wanted);
      at++;
      return token.value;
    },
    expectString() {
      const token = next();
      if (token.type !== 'string') throw unexpected('a string in double quotes or backticks');
      at++;
      return token;
    },
    expectNumber() {
      const number = takeNumber();
      if (number === undefined) throw unexpected('a number');
      return number;
    },
    expectDuration() {
      const token = next();
      if (token.type !== 'duration') throw unexpected('a duration such as 5m');
      at++;
      return token.value;
    },
    expectValue() {
      const token = next();
      if (token.type === 'name' || token.type === 'operator' || token.type === 'end') throw unexpected('a string, number or duration');
      at++;
      return token;
    },
    expectEnd() {
      if (next().type !== 'end') throw unexpected('the end of the query');
    },
    get position() {
      return next().position;
    },
    error: (message) => fail(message),
    unsupported: (message, supported = SUPPORTED, isLast = false) =>
      fail(`${message}; ${supported}`, tokens[isLast ? at - 1 : at]!.position),
  };
}
