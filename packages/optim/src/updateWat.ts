import type { ElementArithmetic } from './arithmetic.ts';
import type { UpdateKernel, UpdateRule } from './updateRule.ts';

/** WebAssembly's types that an update runs on: four elements at a time, or one. */
type Lanes = 'f32x4' | 'f32';

/** The module of `rules` in WebAssembly text: a function for each, over a memory that it imports. */
export function updateModuleWat(rules: readonly UpdateRule[], { shared }: { readonly shared: boolean }): string {
  return `(module
  (import "arena" "memory" (memory 0 65536${shared ? ' shared' : ''}))
${rules.map(functionWat).join('\n')})
`;
}

/** (parameters, gradient, first moments, second moments, length, scalars): byte offsets and a count of elements. */
function functionWat(rule: UpdateRule): string {
  const [four, one] = [bodyWat(rule, 'f32x4'), bodyWat(rule, 'f32')];
  return `  (func (export "${rule.kernel satisfies UpdateKernel}")
    (param $p i32) (param $g i32) (param $m0 i32) (param $m1 i32) (param $length i32) (param $scalars i32)
${[...four.locals, ...one.locals].map((local) => `    ${local}`).join('\n')}
${[...four.prologue, ...one.prologue].map((line) => `    ${line}`).join('\n')}
    ${loopWat(four.lines, 4)}
    ${loopWat(one.lines, 1)})`;
}

function bodyWat(rule: UpdateRule, lanes: Lanes) {
  const type = lanes === 'f32' ? 'f32' : 'v128';
  const load = lanes === 'f32' ? 'f32.load' : 'v128.load';
  const locals: string[] = [];
  const lines: string[] = [];
  const prologue: string[] = [];
  const bind = (target: string[], value: string): string => {
    const name = `$${lanes}_${locals.length}`;
    locals.push(`(local ${name} ${type})`);
    target.push(`(local.set ${name} ${value})`);
    return `(local.get ${name})`;
  };
  const pair =
    (op: string) =>
    (a: string, b: string): string =>
      bind(lines, `(${lanes}.${op} ${a} ${b})`);
  const ops: ElementArithmetic<string> = {
    add: pair('add'),
    sub: pair('sub'),
    mul: pair('mul'),
    div: pair('div'),
    sqrt: (x) => bind(lines, `(${lanes}.sqrt ${x})`),
    keep: (x) => x,
  };
  const scalars = Object.fromEntries(
    rule.scalars.map((name, i) => {
      const value = `(f32.load offset=${4 * i} (local.get $scalars))`;
      return [name, bind(prologue, lanes === 'f32' ? value : `(f32x4.splat ${value})`)];
    }),
  );
  const input = (pointer: string): string => bind(lines, `(${load} (local.get ${pointer}))`);
  const pointers = rule.moments.map((_, i) => `$m${i}`);
  const gradient = input('$g');
  const state = { moments: pointers.map(input), parameter: input('$p') };
  const next = rule.update(ops, state, gradient, scalars);
  const store = (pointer: string, value: string): void => void lines.push(`(${type}.store (local.get ${pointer}) ${value})`);
  for (const [i, pointer] of pointers.entries()) store(pointer, next.moments[i]!);
  store('$p', next.parameter);
  return { locals, lines, prologue };
}

function loopWat(lines: readonly string[], elements: number): string {
  const step = (name: string, bytes: number): string => `(local.set ${name} (i32.add (local.get ${name}) (i32.const ${bytes})))`;
  const body = [
    `(br_if $done (i32.lt_u (local.get $length) (i32.const ${elements})))`,
    ...lines,
    ...['$p', '$g', '$m0', '$m1'].map((name) => step(name, 4 * elements)),
    step('$length', -elements),
    '(br $next)',
  ];
  return `(block $done
      (loop $next
${body.map((line) => `        ${line}`).join('\n')}))`;
}
