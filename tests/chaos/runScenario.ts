import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recoveryMs } from '@maestro/cli';
import { errorMessage, isTerminal, parseJobSpec } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import type { Scenario } from './scenario.ts';
import { openStage } from './stage.ts';

/** Short, so that a stopped or cut-off worker is given up within seconds; the default value has its own tests. */
export const FAILURE_TIMEOUT_MS = 2000;
/** An epoch of 424 images is 6 full steps of 64 and one of 40, in windows of 4 and 3 steps: nothing divides evenly. */
const IMAGES = 424;
/** Large enough for each of four workers to own several blocks of the flat vector, and for a gradient that is sent in two stages. */
const LARGER_MODEL = { embedDim: 120, depth: 3, decoderEmbedDim: 64, decoderDepth: 2 };
const DEFAULT_STEPS = 40;
const DEFAULT_EVERY_STEPS = 10;
const DEFAULT_RECOVERY_MS = 10_000;
const END_TIMEOUT_MS = 60_000;

/** Result of a scenario. */
export interface ScenarioResult {
  readonly name: string;
  readonly story: string;
  /** From each fault to the next committed step. */
  readonly recoveriesMs: readonly number[];
  /** Steps that were started or done, and recomputed. */
  readonly stepsRedone: number;
  readonly isHashEqual: boolean;
  readonly isAuditClean: boolean;
  /** Problems as sentences; none when the scenario has passed. */
  readonly problems: readonly string[];
  readonly elapsedMs: number;
}

/** Runs scenarios, and caches the results of undisturbed jobs. */
export interface ScenarioRunner {
  run(scenario: Scenario): Promise<ScenarioResult>;
  close(): Promise<void>;
}

/** Opens a runner with its data in a separate folder; a failed scenario leaves its logs there, and the folder stays. */
export async function openScenarioRunner(): Promise<ScenarioRunner> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-scenarios-'));
  const path = await writeBlobs(join(dir, 'blobs'), { count: IMAGES });
  const references = new Map<string, Promise<string>>();
  let hasFailed = false;

  const specOf = (
    { steps = DEFAULT_STEPS, everySteps = DEFAULT_EVERY_STEPS, workers = 2, minWorkers = 1, maxWorkers = 8, ...scenario }: Scenario,
    state: 'replicated' | 'sharded',
  ) =>
    parseJobSpec({
      ...smallJob({
        path,
        workers,
        steps,
        schedule: { lastBatch: 'keep' },
        checkpoint: { everySteps },
        resources: { minWorkers, maxWorkers },
        ...(isLarger(scenario) && { model: LARGER_MODEL }),
      }),
      optimizer: { state },
    });

  /** Returns the hash that the job ends with on one worker, undisturbed. */
  const referenceHash = ({ steps = DEFAULT_STEPS, ...scenario }: Scenario): Promise<string> => {
    const name = `reference-${steps}${isLarger(scenario) ? '-larger' : ''}`;
    const known =
      references.get(name) ??
      perform({ name, story: '', workers: 1, steps, isLarger: isLarger(scenario) }, 'replicated').then(({ hash }) => hash!);
    references.set(name, known);
    return known;
  };

  const perform = async (scenario: Scenario, state: 'replicated' | 'sharded') => {
    const home = join(dir, scenario.name);
    const { stage, record, marks, spared, close } = await openStage(scenario, {
      dir: home,
      spec: specOf(scenario, state),
      failureTimeoutMs: FAILURE_TIMEOUT_MS,
    });
    const problems: string[] = [];
    try {
      await scenario.act?.(stage).catch((error: unknown) => problems.push(`the script failed: ${errorMessage(error)}`));
      const observed = record();
      const { timeline } = observed;
      const job = await observed
        .until('its end', ({ state }) => isTerminal(state), { timeoutMs: END_TIMEOUT_MS })
        .catch((error: unknown) => {
          problems.push(errorMessage(error));
          return observed.job;
        });
      for (const name of spared()) problems.push(`the fault in ${name} did not strike`);
      if (job !== undefined && job.state !== 'succeeded') problems.push(`the job is ${job.state}: ${job.message}`);
      const recoveries = marks.map((atMs, i) => recoveryMs(timeline, { atMs, untilMs: marks[i + 1] ?? Number.POSITIVE_INFINITY }));
      if (recoveries.includes(undefined)) problems.push('no step was committed after a fault');
      if (job !== undefined) problems.push(...[scenario.check?.(job) ?? []].flat());
      const audit = job === undefined ? undefined : await stage.client.auditJob(job.id);
      if (audit?.isClean === false) problems.push(`the audit is not clean: ${audit.problems.slice(0, 3).join('; ')}`);
      const hash = job?.state === 'succeeded' ? job.checkpoints.at(-1)?.hash : undefined;
      return {
        problems,
        recoveriesMs: recoveries.flatMap((ms) => ms ?? []),
        stepsRedone: job?.stepsRedone ?? 0,
        committedRedone: audit?.redoneSteps ?? 0,
        hash,
        isAuditClean: audit?.isClean === true,
      };
    } finally {
      await close();
    }
  };

  return {
    async run(scenario) {
      const { name, story, isSharded = false, recoveryMs: mostMs = DEFAULT_RECOVERY_MS, redone: mostRedone = 0 } = scenario;
      const expected = await referenceHash(scenario);
      const beganMs = Date.now();
      const { problems, recoveriesMs, stepsRedone, committedRedone, hash, isAuditClean } = await perform(
        scenario,
        isSharded ? 'sharded' : 'replicated',
      );
      const isHashEqual = hash === expected;
      if (hash !== undefined && !isHashEqual) problems.push(`it ends with ${hash}, the undisturbed job with ${expected}`);
      const longestMs = Math.max(0, ...recoveriesMs);
      if (longestMs > mostMs) problems.push(`recovery took ${longestMs} ms, allowed are ${mostMs}`);
      if (committedRedone > mostRedone) problems.push(`${committedRedone} committed steps were done again, allowed are ${mostRedone}`);
      if (problems.length > 0) hasFailed = true;
      else await rm(join(dir, name), { recursive: true, force: true, maxRetries: 5 });
      return { name, story, recoveriesMs, stepsRedone, isHashEqual, isAuditClean, problems, elapsedMs: Date.now() - beganMs };
    },
    async close() {
      if (!hasFailed) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function isLarger({ isSharded, isLarger: isAsked }: Pick<Scenario, 'isSharded' | 'isLarger'>): boolean {
  return isSharded === true || isAsked === true;
}
