import type {
  BinaryQuery,
  Grouping,
  LabelChoice,
  LabelFilter,
  LabelFormat,
  LogQuery,
  Matcher,
  MetricQuery,
  Query,
  RangeQuery,
  Stage,
  Unwrap,
} from './ast.ts';
import { formatDuration, formatGoDuration } from './duration.ts';
import { formatBytes, formatPlain, formatShort } from './quantity.ts';

/** Longer queries are split over several lines, like Loki's formatter does. */
const LINE_LENGTH = 100;

/** Formats a query like Loki's `format_query`: on one line when it fits, otherwise each stage and operand on its own. */
export function formatQuery(query: Query): string {
  return query.kind === 'log' ? prettyLines(query, 0) : prettyMetric(query, 0);
}

const indent = (level: number): string => '  '.repeat(level);
const quote = (text: string): string => JSON.stringify(text);
const labelFormat = ({ name, from }: LabelFormat): string => `${name}=${from.kind === 'label' ? from.name : quote(from.text)}`;
const list = (names: readonly string[], separator: string): string => names.join(separator);

function matcher({ name, op, value }: Matcher): string {
  return `${name}${op}${quote(value)}`;
}

function plainLines({ matchers, stages }: LogQuery): string {
  return [`{${matchers.map(matcher).join(', ')}}`, ...stages.map(plainStage)].join(' ');
}

function prettyLines(query: LogQuery, level: number): string {
  const plain = plainLines(query);
  if (query.stages.length === 0 || plain.length <= LINE_LENGTH) return indent(level) + plain;
  const lines = [`${indent(level)}{${query.matchers.map(matcher).join(', ')}}`];
  // Consecutive line filters stay on one line when they fit.
  for (let at = 0; at < query.stages.length; ) {
    let end = at + 1;
    if (query.stages[at]!.kind === 'line') while (query.stages[end]?.kind === 'line') end++;
    const texts = query.stages.slice(at, end).map(plainStage);
    const joined = texts.join(' ');
    for (const text of joined.length > LINE_LENGTH ? texts : [joined]) lines.push(indent(level + 1) + text);
    at = end;
  }
  return lines.join('\n');
}

function plainStage(stage: Stage): string {
  switch (stage.kind) {
    case 'line':
      return `${stage.op} ${stage.values.map(quote).join(' or ')}`;
    case 'json':
      return extracting('| json', stage.extractions);
    case 'logfmt':
      return extracting(`| logfmt${stage.isStrict ? ' --strict' : ''}${stage.keepsEmpty ? ' --keep-empty' : ''}`, stage.extractions);
    case 'pattern':
    case 'regexp':
    case 'line_format':
      return `| ${stage.kind} ${quote(stage.text)}`;
    case 'label_format':
      return `| label_format ${stage.formats.map(labelFormat).join(',')}`;
    case 'filter':
      return `| ${labelFilter(stage.filter)}`;
    case 'drop':
    case 'keep':
      return `| ${stage.kind} ${stage.choices.map(labelChoice).join(',')}`;
    case 'decolorize':
      return '| decolorize';
  }
}

function extracting(stage: string, extractions: readonly { readonly name: string; readonly expression: string }[]): string {
  return [stage, extractions.map(({ name, expression }) => `${name}=${quote(expression)}`).join(',')].join(' ').trimEnd();
}

function labelChoice(choice: LabelChoice): string {
  return typeof choice === 'string' ? choice : matcher(choice);
}

function labelFilter(filter: LabelFilter): string {
  if (filter.kind !== 'compare') {
    return `( ${labelFilter(filter.left)} ${filter.kind === 'and' ? ',' : 'or'} ${labelFilter(filter.right)} )`;
  }
  const { name, op, value } = filter;
  if (value.type === 'string') return `${name}${op}${quote(value.value)}`;
  const written = { number: formatPlain, duration: formatGoDuration, bytes: formatBytes }[value.type](value.value);
  return `${name}${op === '=' ? '==' : op}${written}`;
}

function plainUnwrap({ name, conversion, filters }: Unwrap): string[] {
  return [`| unwrap ${conversion === undefined ? name : `${conversion}(${name})`}`, ...filters.map((filter) => `| ${labelFilter(filter)}`)];
}

function plainGrouping(grouping: Grouping | undefined, separator = ','): string {
  if (grouping === undefined || (grouping.names.length === 0 && !grouping.isWithout)) return '';
  return ` ${grouping.isWithout ? 'without' : 'by'} (${list(grouping.names, separator)})`;
}

function rangeText({ range, offsetMs }: RangeQuery): string {
  return `[${range === 'auto' ? '$__auto' : formatDuration(range)}]${offsetMs === 0 ? '' : ` offset ${formatDuration(offsetMs)}`}`;
}

function plainMetric(query: MetricQuery): string {
  switch (query.kind) {
    case 'number':
      return formatShort(query.value);
    case 'vector':
      return `vector(${query.value.toFixed(6)})`;
    case 'range': {
      const lines = [plainLines(query.query), ...(query.unwrap === undefined ? [] : plainUnwrap(query.unwrap))].join(' ');
      const parameter = query.parameter === undefined ? '' : `${formatPlain(query.parameter)},`;
      return `${query.function}(${parameter}${lines}${rangeText(query)})${plainGrouping(query.grouping)}`;
    }
    case 'aggregate': {
      const parameter = query.parameter === undefined ? '' : `${query.parameter},`;
      return `${query.function}${plainGrouping(query.grouping)}(${parameter}${plainMetric(query.of)})`;
    }
    case 'label_replace':
      return `label_replace(${[plainMetric(query.of), ...replaceTexts(query)].join(',')})`;
    case 'binary':
      return `(${plainMetric(query.left)} ${operator(query, ',')} ${plainMetric(query.right)})`;
  }
}

function replaceTexts({ target, replacement, source, pattern }: Extract<MetricQuery, { kind: 'label_replace' }>): string[] {
  return [target, replacement, source, pattern].map(quote);
}

function operator({ op, isBool, matching }: BinaryQuery, separator: string): string {
  const by = matching === undefined ? '' : ` ${matching.isOn ? 'on' : 'ignoring'} (${list(matching.names, separator)})`;
  return `${op}${isBool ? ' bool' : ''}${by}`;
}

function prettyMetric(query: MetricQuery, level: number): string {
  const plain = plainMetric(query);
  if (plain.length <= LINE_LENGTH) return indent(level) + plain;
  switch (query.kind) {
    case 'number':
    case 'vector':
      return indent(level) + plain;
    case 'range': {
      const lines = [prettyLines(query.query, level + 1)];
      if (query.unwrap !== undefined) lines.push(...plainUnwrap(query.unwrap).map((text) => indent(level + 2) + text));
      const parameter = query.parameter === undefined ? [] : [indent(level + 1) + formatPlain(query.parameter)];
      return call(query.function, [...parameter, `${lines.join('\n')} ${rangeText(query)}`], level) + plainGrouping(query.grouping, ', ');
    }
    case 'aggregate': {
      const parameter = query.parameter === undefined ? [] : [`${indent(level + 1)}${query.parameter}`];
      return call(`${query.function}${plainGrouping(query.grouping, ', ')}`, [...parameter, prettyMetric(query.of, level + 1)], level);
    }
    case 'label_replace':
      return call(
        'label_replace',
        [prettyMetric(query.of, level + 1), ...replaceTexts(query).map((text) => indent(level + 1) + text)],
        level,
      );
    case 'binary':
      return [prettyOperand(query.left, level + 1), indent(level) + operator(query, ', '), prettyOperand(query.right, level + 1)].join(
        '\n',
      );
  }
}

/** Keeps the brackets of an operand that is an operation itself; without them the query would mean something else. */
function prettyOperand(query: MetricQuery, level: number): string {
  if (query.kind !== 'binary' || plainMetric(query).length <= LINE_LENGTH) return prettyMetric(query, level);
  return `${indent(level)}(\n${prettyMetric(query, level + 1)}\n${indent(level)})`;
}

function call(name: string, operands: readonly string[], level: number): string {
  return `${indent(level)}${name}(\n${operands.join(',\n')}\n${indent(level)})`;
}
