import { type JobPrecision, type MemberStatus, parseJobSpec, type Standing, type StepCommitted } from '@maestro/protocol';
import type { PrecisionChoice } from '../placement/choosePrecision.ts';
import type { JobFacts, JobRun, RunEvent } from '../run/state/runState.ts';

const JOB = 'job-1';
/** Elements of the parameter vector of every story. */
const LENGTH = 90;
/** Default job of a story: 800 samples in steps of 8, windows of 8 steps. */
const USUAL = [
  ...['data.format=idx', 'data.path=/data', 'schedule.steps=1000', 'schedule.microBatch=1', 'schedule.windowSteps=8'],
  ...['resources.virtualRanks=8', 'resources.minWorkers=1'],
];

/**
 * Parses the facts of a job from words such as `resources.minWorkers=2`; `only` leaves out the usual facts, `from=/c/9:9` is where it
 * starts.
 */
export function jobFacts(words: readonly string[]): JobFacts {
  const file: Record<string, unknown> = {};
  const pairs = words.filter((word) => word !== 'only' && !word.startsWith('from='));
  for (const pair of [...(words.includes('only') ? [] : USUAL), ...pairs]) {
    const at = pair.indexOf('=');
    const path = pair.slice(0, at).split('.');
    let section = file;
    for (const key of path.slice(0, -1)) {
      section[key] ??= {};
      section = section[key] as Record<string, unknown>;
    }
    section[path.at(-1)!] = jsonOrText(pair.slice(at + 1));
  }
  const [path = '', step = '0'] =
    words
      .find((word) => word.startsWith('from='))
      ?.slice(5)
      .split(':') ?? [];
  return { id: JOB, spec: parseJobSpec(file), startPoint: { path, step: Number(step) } };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * Parses a line of a story into an event of `run`. The worker speaks of the run's current view unless the line names one:
 * - `assigned a b` (`precision=float32` is what auto becomes), `pause`, `preempt`, `resume`, `cancel`, `skipped b 1.png`, `drain b`, `tick`;
 *   `tick away`: Redis does not answer;
 * - `held a 4 peer-lost b`: a worker's standing, its step, its error and the peer it blames. `g1` is the view it speaks of; `threads=2`,
 *   `device=webgpu` and the like change its identity; `accuracy=0.75` is its measured result. `4:0+30` is a part of a state that it holds:
 *   of step 4, elements 0..29, and all parameters; with `?` only those of its elements, with `!` on disk;
 * - `heartbeat a 5 reduce 4 b 0.1`: step, phase, seconds in the phase, whom it waits for, seconds to compute a rank;
 * - `committed a 5 7`: a step of 7 images (8 when left out); `checkpoint 5`; `found 5`, `found nothing`: the checkpoint to restore from;
 * - `left a`, `failed a data-invalid`, `gone a` (its stream broke), `dead a` (its process ended);
 * - `recovered 3 9 8`: by the coordinator of incarnation 3, with a ledger of 9 steps and 8 broken images.
 */
export function runEvent(line: string, run: JobRun): RunEvent {
  const [verb, ...words] = line.split(/\s+/);
  const [name = '', ...rest] = words;
  const workerId = `${name}:1`;
  const of = { jobId: JOB, generation: run.generation };
  switch (verb) {
    case 'assigned':
      return { type: 'assigned', workers: words.filter((word) => !word.includes('=')).map(workerRef), ...choiceOf(words) };
    case 'preparing':
    case 'ready':
    case 'forming':
    case 'formed':
    case 'working':
    case 'held':
    case 'finished':
      return { type: 'standing', worker: workerRef(name), standing: standing(verb, rest, run.generation) };
    case 'heartbeat': {
      const [step, phase = '', phaseSeconds = '0', waitingFor = '', rankSeconds = '0'] = rest;
      const times = { phaseSeconds: Number(phaseSeconds), rankSeconds: Number(rankSeconds) };
      return { type: 'heartbeat', workerId, heartbeat: { ...of, step: Number(step), phase, waitingFor, ...times } };
    }
    case 'committed':
      return { type: 'committed', workerId, committed: reportOf(run.generation, Number(rest[0]), Number(rest[1] ?? 8)) };
    case 'skipped':
      return { type: 'skipped', images: rest.map((image) => ({ name: image, reason: 'cut off' })) };
    case 'checkpoint':
      return { type: 'checkpoint', checkpoint: { ...of, step: Number(name), path: `/c/${name}`, hash: 'h' } };
    case 'left':
    case 'failed': {
      const [errorCode = ''] = rest;
      const outcome = verb === 'failed' ? 'failed' : 'released';
      return { type: 'left', workerId, left: { ...of, step: 0, errorCode, errorMessage: errorCode && `it is ${errorCode}`, outcome } };
    }
    case 'gone':
      return { type: 'disconnected', workerId, evidence: 'its control stream was reset' };
    case 'dead':
      return { type: 'disconnected', workerId, evidence: 'it was started again', isDead: true };
    case 'drain':
      return { type: 'drain', workerId, reason: 'it was told to end' };
    case 'found':
      return { type: 'restorePoint', point: { path: name === 'nothing' ? '' : `/c/${name}`, step: Number(name) || 0 }, note: '' };
    case 'pause':
    case 'cancel':
      return { type: verb, reason: 'on request' };
    case 'preempt':
      return { type: 'preempt', reason: 'preempted by job-2 (priority 5)' };
    case 'resume':
      return { type: 'resume' };
    case 'recovered': {
      const [step, broken] = rest.map(Number);
      const ledger = step === undefined ? {} : { ledger: { step, epoch: 0, broken: broken! } };
      return { type: 'recovered', incarnation: name === '' ? 2 : Number(name), ...ledger };
    }
    case 'tick':
      return { type: 'tick', ...(name === 'away' && { outage: 'Redis does not answer' }) };
    default:
      throw new Error(`a story has no such event: ${line}`);
  }
}

function choiceOf(words: readonly string[]): { choice?: PrecisionChoice } {
  const precision = words.find((word) => word.startsWith('precision='))?.slice(10) as JobPrecision | undefined;
  return precision === undefined ? {} : { choice: { precision, reason: `precision auto: ${precision}, since the story has it` } };
}

const workerRef = (name: string) => ({ name, id: `${name}:1`, address: `${name}:7` });

const reportOf = (generation: number, step: number, images = 8): StepCommitted => ({
  ...{ jobId: JOB, generation, step, images, stepSeconds: 1 },
  metrics: { loss: 1 },
  ranks: [],
});

function standing(status: MemberStatus, words: readonly string[], generation: number): Standing {
  const told = Object.fromEntries(words.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string]));
  const { accuracy, ...identity } = { threads: '1', device: 'cpu', ...told } as Readonly<Record<string, string>>;
  const isPart = (word: string): boolean => word.includes('+');
  const [step = '-1', errorCode = '', suspect = ''] = words.filter((word) => !word.includes('=') && !/^g\d/.test(word) && !isPart(word));
  const view = Number(words.find((word) => /^g\d/.test(word))?.slice(1) ?? generation);
  return {
    jobId: JOB,
    generation: status === 'preparing' || status === 'ready' ? 0 : view,
    status,
    step: Number(step),
    datasetLength: 800,
    identityJson: status === 'preparing' ? '' : JSON.stringify(identity),
    stateHash: '',
    reports: Number(step) > 0 ? [reportOf(view, Number(step))] : [],
    errorCode,
    errorMessage: errorCode === '' ? '' : `no word from ${suspect}`,
    suspect,
    shards: words.filter(isPart).map((word) => {
      const [of, first, length] = word.split(/[:+?!]/).map(Number);
      return { step: of!, first: first!, length: length!, isWhole: !/[?!]$/.test(word), isStored: word.endsWith('!') };
    }),
    stateLength: LENGTH,
    results: accuracy === undefined ? {} : { knnAccuracy: Number(accuracy), testSamples: 8 },
  };
}
