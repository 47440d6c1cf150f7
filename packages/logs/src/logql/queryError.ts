import { MaestroError } from '@maestro/protocol';

/** What of LogQL is understood, for the message of a query that is not. */
export const SUPPORTED =
  'supported are {label="value"} with = != =~ !~; |= != |~ !~ (with `or`); | json; label filters with = == != =~ !~ > >= < <=, and, or; | drop; ' +
  'count_over_time, rate, bytes_over_time, bytes_rate over [duration] or [$__auto]; sum, min, max, avg, count by or without; + - * / between vector(N) and numbers';

/** A mistake in a query: `invalid-argument` with line and column, as Loki words it. `position` is an offset into `query`. */
export function queryError(query: string, position: number, message: string): MaestroError {
  const before = query.slice(0, position);
  const line = before.split('\n').length;
  const column = position - before.lastIndexOf('\n');
  return new MaestroError('invalid-argument', `parse error at line ${line}, col ${column}: ${message}`, {
    details: { line, column, position },
  });
}
