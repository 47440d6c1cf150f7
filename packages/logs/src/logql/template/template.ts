import { callFunction, MAX_TEXT, type TemplateLine } from './functions.ts';
import { type Node, type Operand, type Pipeline, parseTemplate } from './parseTemplate.ts';
import { isTrue, print, type Value } from './value.ts';

/** Maximum characters that a template may produce for one line, including intermediate results. */
const MAX_MADE = 1024 * 1024;

/** A compiled template, to be applied to a line and its labels; throws Go's error for an invalid value. */
export type Template = (labels: ReadonlyMap<string, string>, line: TemplateLine) => string;

/**
 * Compiles a template of Go's text/template.
 * @throws MaestroError `invalid-argument` for an error, and for what is not supported, naming it.
 */
export function compileTemplate(text: string): Template {
  const nodes = parseTemplate(text);
  return (labels, line) => {
    let made = 0;
    const counted = (value: Value): Value => {
      if (typeof value === 'string') made += value.length;
      if (made > MAX_MADE) throw new Error(`more than ${MAX_MADE} characters made of one line`);
      return value;
    };
    const operand = (of: Operand, dot: Value): Value => {
      if (of.kind === 'constant') return of.value;
      if (of.kind === 'pipeline') return evaluate(of.commands, dot);
      if (of.kind === 'function') return counted(callFunction(of.name, [], line));
      if (of.name === undefined) return dot;
      if (!(dot instanceof Map)) throw new Error(`can't evaluate field ${of.name} in type ${typeof dot}`);
      return (dot as ReadonlyMap<string, string>).get(of.name) ?? '';
    };
    const evaluate = (pipeline: Pipeline, dot: Value): Value => {
      let result: Value | undefined;
      for (const [first, ...others] of pipeline) {
        const operands = others.map((each) => operand(each, dot));
        if (result !== undefined) operands.push(result);
        result = first!.kind === 'function' ? counted(callFunction(first!.name, operands, line)) : operand(first!, dot);
      }
      return result!;
    };
    const write = (part: readonly Node[], dot: Value): string =>
      part
        .map((node) => {
          if (node.kind === 'text') return node.text;
          const value = evaluate(node.pipeline, dot);
          if (node.kind === 'print') return counted(print(value)) as string;
          return isTrue(value) ? write(node.then, node.kind === 'with' ? value : dot) : write(node.otherwise, dot);
        })
        .join('');
    const written = write(nodes, labels as Value);
    if (written.length > MAX_TEXT) throw new Error(`a text of ${written.length} characters; at most ${MAX_TEXT} are made`);
    return written;
  };
}
