/** `{label op "value"}`; patterns match a label's whole value. */
export interface Matcher {
  readonly name: string;
  readonly op: '=' | '!=' | '=~' | '!~';
  readonly value: string;
  /** Offset of `value` in the query. */
  readonly position: number;
}

/** Right-hand side of a label filter. Durations are in milliseconds. */
export type FilterValue =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'number' | 'duration' | 'bytes'; readonly value: number };

/** A condition on labels, both the stream's and those found by a parser. */
export type LabelFilter =
  | { readonly kind: 'and' | 'or'; readonly left: LabelFilter; readonly right: LabelFilter }
  | {
      readonly kind: 'compare';
      readonly name: string;
      readonly op: '=' | '==' | '!=' | '=~' | '!~' | '>' | '>=' | '<' | '<=';
      readonly value: FilterValue;
      readonly position: number;
    };

/** `name="expression"` after `| json` and `| logfmt`: the label, and the path of its value. */
export interface Extraction {
  readonly name: string;
  readonly expression: string;
  /** Offset of the expression in the query. */
  readonly position: number;
}

/** Operand of `| drop` and `| keep`: a label, or one whose value matches. */
export type LabelChoice = string | Matcher;

/** `target=source` or `target="template"` of `| label_format`. */
export interface LabelFormat {
  readonly name: string;
  readonly from: { readonly kind: 'label'; readonly name: string } | { readonly kind: 'template'; readonly text: string };
  readonly position: number;
}

/** Operators of line filters. */
export const LINE_FILTERS = ['|=', '!=', '|~', '!~', '|>', '!>'] as const;

/** One stage of a pipeline. */
export type Stage =
  /** The line holds one of `values`, or none of them when `op` begins with `!`. */
  | { readonly kind: 'line'; readonly op: (typeof LINE_FILTERS)[number]; readonly values: readonly string[]; readonly position: number }
  | { readonly kind: 'json'; readonly extractions: readonly Extraction[] }
  | { readonly kind: 'logfmt'; readonly isStrict: boolean; readonly keepsEmpty: boolean; readonly extractions: readonly Extraction[] }
  | { readonly kind: 'pattern' | 'regexp' | 'line_format'; readonly text: string; readonly position: number }
  | { readonly kind: 'label_format'; readonly formats: readonly LabelFormat[] }
  | { readonly kind: 'filter'; readonly filter: LabelFilter }
  | { readonly kind: 'drop' | 'keep'; readonly choices: readonly LabelChoice[] }
  | { readonly kind: 'decolorize' };

/** `{job="x"} |= "text" | json`: lines. */
export interface LogQuery {
  readonly kind: 'log';
  readonly matchers: readonly Matcher[];
  readonly stages: readonly Stage[];
}

/** `| unwrap duration(took) | took > 1s`: the label whose value is a sample, and the filters after it. */
export interface Unwrap {
  readonly name: string;
  readonly conversion: 'bytes' | 'duration' | 'duration_seconds' | undefined;
  readonly filters: readonly LabelFilter[];
}

/** Functions over the lines of a range, by input: lines, the numbers of `| unwrap`, or either. */
export const RANGE_FUNCTIONS = {
  count_over_time: 'lines',
  bytes_over_time: 'lines',
  bytes_rate: 'lines',
  rate: 'either',
  absent_over_time: 'either',
  sum_over_time: 'numbers',
  avg_over_time: 'numbers',
  min_over_time: 'numbers',
  max_over_time: 'numbers',
  first_over_time: 'numbers',
  last_over_time: 'numbers',
  stddev_over_time: 'numbers',
  stdvar_over_time: 'numbers',
  quantile_over_time: 'numbers',
} as const;

/** A function over the lines of a range. */
export type RangeFunction = keyof typeof RANGE_FUNCTIONS;

/** Aggregations over series. */
export const AGGREGATIONS = ['sum', 'avg', 'min', 'max', 'count', 'stddev', 'stdvar', 'topk', 'bottomk', 'sort', 'sort_desc'] as const;

/** An aggregation over series. */
export type Aggregation = (typeof AGGREGATIONS)[number];

/** Grouping of an aggregation; without one, all series form one group. */
export interface Grouping {
  readonly isWithout: boolean;
  readonly names: readonly string[];
}

/** Operators between two metric queries. */
export type BinaryOperator = '+' | '-' | '*' | '/' | '%' | '^' | '==' | '!=' | '>' | '>=' | '<' | '<=' | 'and' | 'or' | 'unless';

/** Computes numbers over the lines of a range. */
export interface RangeQuery {
  readonly kind: 'range';
  readonly function: RangeFunction;
  /** The quantile of `quantile_over_time`. */
  readonly parameter: number | undefined;
  readonly query: LogQuery;
  readonly unwrap: Unwrap | undefined;
  /** In milliseconds; `auto` is the query's step (or its whole range, for an instant). */
  readonly range: number | 'auto';
  readonly offsetMs: number;
  readonly grouping: Grouping | undefined;
}

/** Computes series from series. */
export interface AggregateQuery {
  readonly kind: 'aggregate';
  readonly function: Aggregation;
  /** Number of series returned by `topk` and `bottomk`. */
  readonly parameter: number | undefined;
  readonly grouping: Grouping | undefined;
  readonly of: MetricQuery;
}

/** Two queries and an operator between them. */
export interface BinaryQuery {
  readonly kind: 'binary';
  readonly op: BinaryOperator;
  /** `bool`: a comparison gives 0 or 1 instead of filtering. */
  readonly isBool: boolean;
  /** Labels that match series of both sides; all labels when undefined. */
  readonly matching: { readonly isOn: boolean; readonly names: readonly string[] } | undefined;
  readonly left: MetricQuery;
  readonly right: MetricQuery;
}

/** `label_replace(query, "target", "replacement", "source", "pattern")`. */
export interface LabelReplaceQuery {
  readonly kind: 'label_replace';
  readonly of: MetricQuery;
  readonly target: string;
  readonly replacement: string;
  readonly source: string;
  readonly pattern: string;
  readonly position: number;
}

/** A query that returns numbers. */
export type MetricQuery =
  | RangeQuery
  | AggregateQuery
  | BinaryQuery
  | LabelReplaceQuery
  | { readonly kind: 'vector' | 'number'; readonly value: number };

/** Any query. */
export type Query = LogQuery | MetricQuery;
