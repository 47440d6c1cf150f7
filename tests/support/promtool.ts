import { spawnSync } from 'node:child_process';

/** Prometheus' checker: the one that PROMTOOL names, else the one on PATH; undefined where there is none. */
export const PROMTOOL: string | undefined = [process.env['PROMTOOL'], 'promtool'].find(
  (command) => command !== undefined && spawnSync(command, ['--version']).status === 0,
);

/** What `promtool check metrics` says of a page: nothing when it has nothing to say. */
export function checkMetrics(page: string): string {
  const { status, stdout, stderr } = spawnSync(PROMTOOL!, ['check', 'metrics'], { input: page, encoding: 'utf8' });
  return status === 0 ? '' : `exit code ${status}: ${stdout}${stderr}`;
}
