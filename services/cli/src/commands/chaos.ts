import { resolve } from 'node:path';
import type { JobClient } from '@maestro/client';
import { isTerminal, MaestroError, readEnvironment } from '@maestro/protocol';
import type { Command } from 'commander';
import { type Abilities, abilitiesOf } from '../chaos/abilities.ts';
import { openChaosTarget } from '../chaos/chaosTarget.ts';
import { describeAbilities, describeEvent, describeSummary, seconds } from '../chaos/describeChaos.ts';
import { type Finding, goesOn, hasResult, isAudited, isBounded, isMeasurement, undisturbedResult } from '../chaos/findings.ts';
import { recordJob } from '../chaos/recordJob.ts';
import { runChaos, summarise } from '../chaos/runChaos.ts';
import { type ChaosEvent, chaosSchedule } from '../chaos/schedule.ts';
import { withExamples } from '../job/examples.ts';
import { findJob, JOB_HELP } from '../job/findJob.ts';
import { type ClusterFile, readClusterFile } from '../terminal/connection.ts';
import { positiveInteger, positiveNumber, wholeNumber } from '../terminal/options.ts';
import { withClient } from '../terminal/withClient.ts';

const DEFAULT_FAILURE_TIMEOUT_MS = 5000;
/** Number of failure timeouts of standstill after an event that no longer count as recovering. */
const PATIENCE = 12;
/** Deadline for a job to end: as long as a person may want to wait. */
const MOST_WAIT_MS = 86_400_000;

interface ChaosCommandOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly minWorkers: number;
  readonly dryRun?: boolean;
  readonly reference?: string;
  readonly verify?: boolean;
  readonly json?: boolean;
}

/**
 * Adds `maestro chaos`: injects faults into the local cluster of `maestro up` while a job trains, then audits it and compares its weights.
 */
export function addChaosCommand(program: Command): void {
  const command = program
    .command('chaos')
    .description(
      'inject faults while a job runs (kill, stop, cut off, drain and add workers; restart coordinator and redis), then audit the job',
    )
    .argument('<job>', JOB_HELP)
    .option('--seed <n>', 'the same seed gives the same events', wholeNumber, 0)
    .option('--minutes <m>', 'how long', positiveNumber, 2)
    .option('--min-workers <n>', 'minimum number of workers to leave running', positiveInteger, 1)
    .option('--reference <hash>', 'expected final checkpoint hash')
    .option('--verify', 'afterwards run the same job without faults on one worker and compare hashes (for an evaluation job, its results)')
    .option('--dry-run', 'print the events without injecting them')
    .option('--json', 'print one JSON object to standard output at the end')
    .action(async (reference: string, options: ChaosCommandOptions) => {
      const dataDir = resolve(program.opts<{ dataDir: string }>().dataDir);
      const file = await readClusterFile(dataDir);
      if (file === undefined)
        throw new MaestroError('not-found', `chaos: no cluster started by \`maestro up\` is running with the data folder ${dataDir}`);
      const failureTimeoutMs = Number(readEnvironment()['MAESTRO_FAILURE_TIMEOUT_MS'] ?? DEFAULT_FAILURE_TIMEOUT_MS);
      const abilities = abilitiesOf(file, { isRoot: process.getuid?.() === 0 });
      const events = scheduleFor(file, { ...options, ...abilities, failureTimeoutMs });
      const header = options.json === true ? process.stderr : process.stdout;
      header.write(`${describeAbilities(abilities).join('\n')}\n`);
      if (options.dryRun === true) {
        process.stdout.write(options.json === true ? `${JSON.stringify(events)}\n` : `${events.map(describeEvent).join('\n')}\n`);
        return;
      }
      const ok = await withClient(program, (client) =>
        findJob(client, reference, (id) => chaos({ client, id, file, dataDir, events, failureTimeoutMs, options })),
      );
      if (!ok) process.exitCode = 1;
    });
  withExamples(command, [
    ['maestro chaos JOB --minutes 5 --verify', 'does it end with the same bits as a run without faults?'],
    ['maestro chaos JOB --seed 7 --dry-run', 'list the faults without injecting them'],
  ]);
}

function scheduleFor(
  { processes }: ClusterFile,
  {
    seed,
    minutes,
    minWorkers,
    failureTimeoutMs,
    restartable,
    network,
  }: ChaosCommandOptions & Abilities & { readonly failureTimeoutMs: number },
): ChaosEvent[] {
  const names = processes.map(({ name }) => name);
  const workers = names.filter((name) => name !== 'coordinator' && name !== 'redis');
  return chaosSchedule({ seed, minutes, workers, minWorkers, failureTimeoutMs, restartable, network });
}

/** Runs everything from the first event to the verdict; returns true when all is well. */
async function chaos({
  client,
  id,
  file,
  dataDir,
  events,
  failureTimeoutMs,
  options: { reference, verify = false, json = false },
}: {
  readonly client: JobClient;
  readonly id: string;
  readonly file: ClusterFile;
  readonly dataDir: string;
  readonly events: readonly ChaosEvent[];
  readonly failureTimeoutMs: number;
  readonly options: ChaosCommandOptions;
}): Promise<boolean> {
  const screen = json ? process.stderr : process.stdout;
  const say = (line: string): void => void screen.write(`${line}\n`);
  const submitted = await client.getJob(id);
  if (reference !== undefined && isMeasurement(submitted)) {
    throw new MaestroError('invalid-argument', `chaos: job ${id} evaluates a checkpoint and has no hash to compare; use --verify`);
  }
  if (isTerminal(submitted.state)) throw new MaestroError('conflict', `chaos: job ${id} has ended (${submitted.state})`);

  const record = recordJob(file.coordinator, id);
  const target = openChaosTarget(dataDir, { onTrouble: say });
  const aborter = new AbortController();
  const interrupt = (): void => aborter.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    await record.until('it trains', ({ progress }) => (progress?.step ?? 0) > 0, { timeoutMs: 60_000 });
    const patienceMs = PATIENCE * failureTimeoutMs;
    const outcomes = await runChaos({
      events,
      target,
      record,
      patienceMs,
      signal: aborter.signal,
      onEvent: (event, skipped) => say(`${describeEvent(event)}${skipped === undefined ? '' : `: not done, ${skipped}`}`),
      onOutcome: ({ event, recoveryMs }) => say(`${describeEvent(event)}: the job resumed after ${seconds(recoveryMs)}`),
    });
    const summary = summarise(outcomes, record);
    for (const line of describeSummary(summary)) say(line);
    if (aborter.signal.aborted) return false;

    const findings: Finding[] = [goesOn(record.job!), isBounded(summary), await isAudited(client, id)];
    if (reference !== undefined) findings.push(await hasResult(record, reference, 'the reference'));
    if (verify) {
      const ended = await record.until('its end', ({ state }) => isTerminal(state), { timeoutMs: MOST_WAIT_MS });
      say('running the same job without faults, on one worker');
      findings.push(await hasResult(record, await undisturbedResult(client, file.coordinator, ended), 'the undisturbed job'));
    }
    for (const { name, isOk, detail } of findings) say(`  ${isOk ? 'ok  ' : 'FAIL'}  ${name}: ${detail}`);
    if (json) process.stdout.write(`${JSON.stringify({ job: id, events: outcomes, ...summary, findings })}\n`);
    return findings.every(({ isOk }) => isOk);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    await record.close();
    await target.close();
  }
}
