import type { MaestroError } from '@maestro/protocol';
import type { FilterValue } from './ast.ts';
import { type Token, tokenize } from './lexer.ts';
import { queryError, SUPPORTED } from './queryError.ts';

/** A query's tokens with the current position, for a recursive-descent parser. `expect...` throws with the position, `take...` does not. */
export interface Tokens {
  isNext(operator: string): boolean;
  /** True when the next token is a name other than `names`; keywords are case-insensitive. */
  isNameNext(except?: readonly string[]): boolean;
  /** The next name, in lower case, without taking it. */
  readonly nextName: string | undefined;
  take(operator: string): boolean;
  takeOneOf<Operator extends string>(operators: readonly Operator[]): Operator | undefined;
  /** Takes one of these keywords. */
  takeName(names: readonly string[]): string | undefined;
  /** Takes a flag such as `--strict`. */
  takeFlag(): string | undefined;
  takeNumber(): number | undefined;
  expect(operator: string): void;
  expectOneOf<Operator extends string>(operators: readonly Operator[]): Operator;
  /** Takes any name; `wanted` describes what is expected. */
  expectName(wanted: string): string;
  expectString(): { readonly value: string; readonly position: number };
  expectNumber(): number;
  takeString(): string | undefined;
  /** Takes a duration, in milliseconds. */
  expectDuration(): number;
  /** Takes a string, number, duration or size. */
  expectValue(): FilterValue & { readonly position: number };
  expectEnd(): void;
  readonly position: number;
  /** Error at the next token. */
  error(message: string): MaestroError;
  /** Error for unsupported LogQL; with `isLast` at the token just taken. */
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
    const isSigned = (isOperator('-') || isOperator('+')) && tokens[at + 1]?.type === 'number';
    const token = tokens[isSigned ? at + 1 : at]!;
    if (token.type !== 'number') return undefined;
    const sign = isSigned && isOperator('-') ? -1 : 1;
    at += isSigned ? 2 : 1;
    return sign * token.value;
  };
  return {
    isNext: isOperator,
    take,
    takeOneOf,
    isNameNext(except = []) {
      const { type, value } = next();
      return type === 'name' && !except.includes(value.toLowerCase());
    },
    get nextName() {
      const { type, value } = next();
      return type === 'name' ? value.toLowerCase() : undefined;
    },
    takeName(names) {
      const { type, value } = next();
      const name = type !== 'name' ? undefined : value.startsWith('$') ? value : value.toLowerCase();
      if (name === undefined || !names.includes(name)) return undefined;
      at++;
      return name;
    },
    takeFlag() {
      const token = next();
      if (token.type !== 'flag') return undefined;
      at++;
      return token.value;
    },
    takeString() {
      const token = next();
      if (token.type !== 'string') return undefined;
      at++;
      return token.value;
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
      const isNegative = isOperator('-') && tokens[at + 1]?.type === 'duration';
      const token = tokens[isNegative ? at + 1 : at]!;
      if (token.type !== 'duration') throw unexpected('a duration such as 5m');
      at += isNegative ? 2 : 1;
      return isNegative ? -token.value : token.value;
    },
    expectValue() {
      const { position } = next();
      const number = takeNumber();
      if (number !== undefined) return { type: 'number', value: number, position };
      const token = next();
      if (token.type !== 'string' && token.type !== 'duration' && token.type !== 'bytes') throw unexpected('a string, number or duration');
      at++;
      return token as FilterValue & { position: number };
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
