import { errorMessage, MaestroError } from '@maestro/protocol';
import { type LogLabels, type QueryLabels, queryLabelsOf } from '../stream/labels.ts';
import { compilePattern } from '../stream/linePattern.ts';
import type { LogLine } from '../stream/logLine.ts';
import { nanosecondsOf, readPushed, shownText } from '../stream/pushedLine.ts';
import type { LabelChoice, LabelFormat, LogQuery, Matcher, Stage } from './ast.ts';
import { type Entry, ERROR, ERROR_DETAILS, openEntry } from './entry.ts';
import { compileFilter, compileValueTest } from './labelFilter.ts';
import { compileJsonExtractions, parseJson } from './parsers/json.ts';
import { compileLogfmt } from './parsers/logfmt.ts';
import { compileLinePattern } from './parsers/pattern.ts';
import { compileRegexp } from './parsers/regexp.ts';
import { compileTemplate } from './template/template.ts';

/** Compiles a test that labels match all of a selector's matchers; a missing label counts as empty. */
export function compileMatchers(matchers: readonly Matcher[]): (labels: LogLabels) => boolean {
  const tests = matchers.map((matcher) => ({ name: matcher.name, test: compileValueTest(matcher) }));
  return (labels) => {
    const map = queryLabelsOf(labels);
    return tests.every(({ name, test }) => test(map.get(name) ?? ''));
  };
}

/** Applies a pipeline to a line; `undefined` when the line does not pass. */
export type Pipeline = (line: LogLine) => Entry | undefined;

/**
 * Compiles the stages of a query.
 * @throws MaestroError `invalid-argument` for an invalid pattern or template.
 */
export function compilePipeline({ stages }: Pick<LogQuery, 'stages'>): Pipeline {
  const steps = stages.map((stage) => {
    try {
      return compileStage(stage);
    } catch (error) {
      throw new MaestroError('invalid-argument', `parse error : stage '| ${stage.kind}' : ${errorMessage(error)}`, { cause: error });
    }
  });
  return (line) => {
    const entry = openEntry(shownText(line), nanosecondsOf(line), labelsOf(line));
    return steps.every((step) => step(entry)) ? entry : undefined;
  };
}

/** Returns the labels of a line: those of its stream, and its own metadata if it was pushed with any. */
function labelsOf(line: LogLine): QueryLabels {
  const stream = queryLabelsOf(line.labels);
  const metadata = readPushed(line)?.metadata;
  return metadata === undefined || metadata.size === 0 ? stream : new Map([...stream, ...metadata]);
}

/** Returns whether a line passes, and may change it. */
type Step = (entry: Entry) => boolean;

/** Wraps a change as a step that lets every line pass. */
const always =
  (change: (entry: Entry) => void): Step =>
  (entry) => {
    change(entry);
    return true;
  };

function compileStage(stage: Stage): Step {
  switch (stage.kind) {
    case 'line': {
      const isNegated = stage.op.startsWith('!');
      const tests = stage.values.map((value) => compileLineTest(stage.op, value));
      return ({ text }) => tests.some((test) => test(text)) !== isNegated;
    }
    case 'json':
      return always(stage.extractions.length === 0 ? parseJson : compileJsonExtractions(stage.extractions));
    case 'logfmt':
      return always(compileLogfmt(stage));
    case 'pattern': {
      const pattern = compileLinePattern(stage.text, false);
      return always((entry) => {
        for (const [name, value] of pattern.capture(entry.text)) entry.found(name, value);
      });
    }
    case 'regexp':
      return always(compileRegexp(stage.text));
    case 'line_format':
      return always(compileLineFormat(stage.text));
    case 'label_format':
      return always(compileLabelFormat(stage.formats));
    case 'filter':
      return compileFilter(stage.filter);
    case 'drop':
      return always(compileDrop(stage.choices));
    case 'keep':
      return always(compileKeep(stage.choices));
    case 'decolorize':
      return always((entry) => {
        entry.text = entry.text.replace(COLORS, '');
      });
  }
}

function compileLineTest(op: Extract<Stage, { kind: 'line' }>['op'], value: string): (text: string) => boolean {
  if (op.endsWith('~')) return compilePattern(value).isIn;
  if (op.endsWith('>')) return compileLinePattern(value, true).isLike;
  return (text) => text.includes(value);
}

/** ANSI escape sequences: control sequences, and operating system commands up to the bell. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const COLORS = /[\x1b\x9b](?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[0-9;?]*[A-PRZcf-nqry=><~])/g;

const TEMPLATE_ERROR = 'TemplateFormatErr';

function compileLineFormat(text: string): (entry: Entry) => void {
  const template = compileTemplate(text);
  return (entry) => {
    try {
      entry.text = template(entry.labels, entry);
    } catch (error) {
      entry.fail(TEMPLATE_ERROR, errorMessage(error));
    }
  };
}

function compileLabelFormat(formats: readonly LabelFormat[]): (entry: Entry) => void {
  const names = formats.map(({ name }) => name);
  if (names.includes(ERROR)) throw new MaestroError('invalid-argument', `${ERROR} cannot be formatted`);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new MaestroError('invalid-argument', `multiple label name '${twice}' not allowed in a single format operation`);
  const steps = formats.map(({ name, from }) => {
    if (from.kind === 'template') return { name, template: compileTemplate(from.text) };
    return { name, source: from.name };
  });
  return (entry) => {
    // Templates of one stage see the labels from before its first change.
    let before: QueryLabels | undefined;
    for (const step of steps) {
      if ('source' in step) {
        if (!entry.has(step.source)) continue;
        const value = entry.get(step.source);
        entry.delete(step.source);
        entry.set(step.name, value);
        continue;
      }
      before ??= new Map(entry.labels);
      try {
        entry.set(step.name, step.template(before, entry));
      } catch (error) {
        entry.fail(TEMPLATE_ERROR, errorMessage(error));
      }
    }
  };
}

function compileDrop(choices: readonly LabelChoice[]): (entry: Entry) => void {
  const drops = choices.map(compileChoice);
  return (entry) => {
    for (const { name, test } of drops) {
      if (!test(entry.get(name))) continue;
      entry.delete(name);
      if (name === ERROR) entry.delete(ERROR_DETAILS);
    }
  };
}

function compileKeep(choices: readonly LabelChoice[]): (entry: Entry) => void {
  const keeps = choices.map(compileChoice);
  return (entry) => {
    for (const [name, value] of [...entry.labels]) {
      if (name === ERROR || name === ERROR_DETAILS) continue;
      if (!keeps.some((keep) => keep.name === name && keep.test(value))) entry.delete(name);
    }
  };
}

function compileChoice(choice: LabelChoice): { readonly name: string; readonly test: (value: string) => boolean } {
  return typeof choice === 'string' ? { name: choice, test: () => true } : { name: choice.name, test: compileValueTest(choice) };
}
