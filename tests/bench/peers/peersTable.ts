import { GOALS, type Unit } from './goals.ts';
import type { Ratio } from './ratios.ts';

/** Results by key; keys that were not asked for are missing. */
export type Ratios = Readonly<Record<string, Ratio>>;

const SCALES: Readonly<Record<Unit, { readonly factor: number; readonly name: string }>> = {
  seconds: { factor: 1000, name: 'ms' },
  bytes: { factor: 1e-6, name: 'MB' },
  share: { factor: 100, name: '%' },
};

/** Returns whether a key's goal is met; undefined when it was not measured. */
export function isMet(key: string, { ratio }: Ratio): boolean | undefined {
  return ratio === null ? undefined : ratio <= GOALS[key]!.goal;
}

/** Returns the table as Markdown, which is what docs/performance.md keeps. */
export function peersTable(ratios: Ratios): string {
  const rows = Object.entries(ratios).map(([key, each]) => {
    const { goal, unit } = GOALS[key]!;
    const { factor, name } = SCALES[unit];
    const quantity = (value: number | undefined): string => (value === undefined ? '' : `${digits(factor * value)} ${name}`);
    const verdict = { true: 'met', false: 'missed', undefined: '' }[String(isMet(key, each))];
    const notes = [each.way, each.note].filter((part) => part !== undefined).join('; ');
    const ratio = each.ratio === null ? 'none' : each.ratio.toFixed(unit === 'share' ? 3 : 2);
    return [key, ratio, goal.toFixed(2), verdict, quantity(each.ours), quantity(each.peer), String(each.pairs), notes];
  });
  const head = ['key', 'ratio', 'goal', '', 'ours', 'peer', 'pairs', "the peer's best way; notes"];
  const line = (cells: readonly (string | undefined)[]): string =>
    `| ${cells.map((cell) => (cell ?? '').replaceAll('|', '/')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Returns the results as the one line of JSON that follows the table. */
export function peersJson(ratios: Ratios): string {
  const rounded = (value: number | undefined): number | undefined => (value === undefined ? undefined : Number(value.toPrecision(5)));
  const told = Object.entries(ratios).map(([key, { ratio, ours, peer, pairs, way, note }]) => [
    key,
    {
      ratio: ratio === null ? null : rounded(ratio),
      goal: GOALS[key]!.goal,
      ours: rounded(ours),
      peer: rounded(peer),
      pairs,
      ...(way !== undefined && { way }),
      ...(note !== undefined && { note }),
    },
  ]);
  return JSON.stringify({ ratios: Object.fromEntries(told) });
}

/** Three digits that count. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
