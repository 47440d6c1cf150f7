/** `{label op "value"}`; patterns match a label's whole value. */
export interface Matcher {
  readonly name: string;
  readonly op: '=' | '!=' | '=~' | '!~';
  readonly value: string;
  /** Offset of `value` in the query. */
  readonly position: number;
}

/** What a label filter compares with. Durations are in milliseconds. */
export type FilterValue =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'number' | 'duration' | 'bytes'; readonly value: number };

/** A condition on labels, those of the stream and those that `| json` found. */
export type LabelFilter =
  | { readonly kind: 'and' | 'or'; readonly left: LabelFilter; readonly right: LabelFilter }
  | {
      readonly kind: 'compare';
      readonly name: string;
      readonly op: '=' | '==' | '!=' | '=~' | '!~' | '>' | '>=' | '<' | '<=';
      readonly value: FilterValue;
      readonly position: number;
    };

/** One stage of a pipeline. */
export type Stage =
  /** The line holds one of `values` (`|=`, `|~`), or none of them (`!=`, `!~`). */
  | { readonly kind: 'line'; readonly op: '|=' | '!=' | '|~' | '!~'; readonly values: readonly string[]; readonly position: number }
  | { readonly kind: 'json' }
  | { readonly kind: 'filter'; readonly filter: LabelFilter }
  | { readonly kind: 'drop'; readonly names: readonly string[] };

/** `{job="x"} |= "text" | json`: lines. */
export interface LogQuery {
  readonly kind: 'log';
  readonly matchers: readonly Matcher[];
  readonly stages: readonly Stage[];
}

/** Functions over the lines of a range. */
export const RANGE_FUNCTIONS = ['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate'] as const;

/** Aggregations over series. */
export const AGGREGATIONS = ['sum', 'min', 'max', 'avg', 'count'] as const;

/** How an aggregation groups series: all into one when there is none. */
export interface Grouping {
  readonly isWithout: boolean;
  readonly names: readonly string[];
}

/** A query that gives numbers. */
export type MetricQuery =
  | {
      readonly kind: 'range';
      readonly function: (typeof RANGE_FUNCTIONS)[number];
      readonly query: LogQuery;
      /** In milliseconds; `auto` is the query's step (or its whole range, for an instant). */
      readonly range: number | 'auto';
      readonly offsetMs: number;
    }
  | {
      readonly kind: 'aggregate';
      readonly function: (typeof AGGREGATIONS)[number];
      readonly grouping: Grouping | undefined;
      readonly of: MetricQuery;
    }
  | { readonly kind: 'vector' | 'number'; readonly value: number }
  | { readonly kind: 'arithmetic'; readonly op: '+' | '-' | '*' | '/'; readonly left: MetricQuery; readonly right: MetricQuery };

/** Any query. */
export type Query = LogQuery | MetricQuery;
