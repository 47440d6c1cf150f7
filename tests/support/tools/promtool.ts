import { spawnSync } from 'node:child_process';

/** Prometheus' checker: the one named by PROMTOOL, or the one on PATH; undefined when there is none. */
export const PROMTOOL: string | undefined = [process.env['PROMTOOL'], 'promtool'].find(
  (command) => command !== undefined && spawnSync(command, ['--version']).status === 0,
);

/** Returns the findings of `promtool check metrics` for a page; empty when there are none. */
export function checkMetrics(page: string): string {
  const { status, stdout, stderr } = spawnSync(PROMTOOL!, ['check', 'metrics'], { input: page, encoding: 'utf8' });
  return status === 0 ? '' : `exit code ${status}: ${stdout}${stderr}`;
}
