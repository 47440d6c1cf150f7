import { MaestroError } from '@maestro/protocol';
import { AGGREGATIONS, RANGE_FUNCTIONS } from './ast.ts';

/** Supported parts of LogQL, for error messages. */
export const SUPPORTED = [
  'supported are {label="value"} with = != =~ !~',
  '|= != |~ !~ |> !> (with `or`)',
  '| json, logfmt, pattern, regexp, line_format, label_format, decolorize, drop, keep, unwrap',
  'label filters with = == != =~ !~ > >= < <=, and, or',
  `${Object.keys(RANGE_FUNCTIONS).join(', ')} over [duration] or [$__auto]`,
  `${AGGREGATIONS.join(', ')} by or without`,
  '+ - * / % ^, comparisons with bool, and, or, unless, on, ignoring; label_replace; vector(N) and numbers',
].join('; ');

/** Error in a query: `invalid-argument` with line and column, in Loki's wording. `position` is an offset into `query`. */
export function queryError(query: string, position: number, message: string): MaestroError {
  const before = query.slice(0, position);
  const line = before.split('\n').length;
  const column = position - before.lastIndexOf('\n');
  return new MaestroError('invalid-argument', `parse error at line ${line}, col ${column}: ${message}`, {
    details: { line, column, position },
  });
}
