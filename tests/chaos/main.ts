import { parseArgs } from 'node:util';
import { percentile } from '@maestro/cli';
import { openScenarioRunner, type ScenarioResult } from './runScenario.ts';
import { SCENARIOS } from './scenarios.ts';

/**
 * `npm run scenarios -- [--only NAME]... [--list] [--json]`: injects every kind of fault into the job, which must end with the same bits.
 */
const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, list: { type: 'boolean' }, json: { type: 'boolean' } },
});
const names = new Set(SCENARIOS.map(({ name }) => name));
const unknown = (values.only ?? []).filter((name) => !names.has(name));
const screen = values.json === true ? process.stderr : process.stdout;
const say = (line: string): void => void screen.write(`${line}\n`);

if (unknown.length > 0) {
  process.stderr.write(`scenarios: ${unknown.join(', ')}: unknown; there are ${[...names].join(', ')}\n`);
  process.exitCode = 2;
} else if (values.list === true) {
  for (const { name, story } of SCENARIOS) process.stdout.write(`${name.padEnd(28)} ${story}\n`);
} else {
  const runner = await openScenarioRunner();
  const results: ScenarioResult[] = [];
  say(`${'scenario'.padEnd(28)} recovery ms p50      max  redone  hash   audit  seconds`);
  for (const scenario of SCENARIOS.filter(({ name }) => values.only === undefined || values.only.includes(name))) {
    const result = await runner.run(scenario);
    results.push(result);
    say(row(result));
    for (const problem of result.problems) say(`    ${problem}`);
  }
  await runner.close();
  const recoveries = results.flatMap(({ recoveriesMs }) => recoveriesMs);
  const summary = {
    scenarios: results.length,
    hashEqual: results.filter(({ isHashEqual }) => isHashEqual).length,
    auditClean: results.filter(({ isAuditClean }) => isAuditClean).length,
    recoveryMsP50: percentile(recoveries, 0.5) ?? null,
    recoveryMsMax: percentile(recoveries, 1) ?? null,
  };
  say(
    `${summary.scenarios} scenarios: ${summary.hashEqual} with equal hash, ${summary.auditClean} with a clean audit; recovery ` +
      `${summary.recoveryMsP50} ms in the median, ${summary.recoveryMsMax} ms at most`,
  );
  if (values.json === true) process.stdout.write(`${JSON.stringify(summary)}\n`);
  process.exitCode = results.every(({ problems }) => problems.length === 0) ? 0 : 1;
}

function row({ name, recoveriesMs, stepsRedone, isHashEqual, isAuditClean, elapsedMs }: ScenarioResult): string {
  const milliseconds = (share: number, width: number): string => String(percentile(recoveriesMs, share) ?? '-').padStart(width);
  const verdict = (isOk: boolean): string => (isOk ? 'equal' : 'DIFFERS').padEnd(7);
  return (
    `${name.padEnd(28)} ${milliseconds(0.5, 15)} ${milliseconds(1, 8)} ${String(stepsRedone).padStart(7)}  ` +
    `${verdict(isHashEqual)}${(isAuditClean ? 'clean' : 'BROKEN').padEnd(7)} ${(elapsedMs / 1000).toFixed(1).padStart(6)}`
  );
}
