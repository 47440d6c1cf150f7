import { setTimeout } from 'node:timers/promises';
import { MaestroError } from '@maestro/protocol';

/**
 * Phases at which a fault can strike: those of a step in order, those of a checkpoint, both ends of healing, and `snapshot`, when a worker
 * begins to write its shard at a window's end. `backward` is while gradients are computed of a step whose first ones are already
 * sent (a step that is sent as a whole does not reach it), `reduce-scatter` before the last of them, `all-gather` while the exchange is in
 * progress.
 */
const FAULT_PHASES = [
  'lease',
  'decode',
  'forward',
  'backward',
  'reduce-scatter',
  'all-gather',
  'apply',
  'checkpoint-write',
  'checkpoint-fsync',
  'checkpoint-rename',
  'snapshot',
  'heal',
  'serve',
] as const;

/** A name in {@link FAULT_PHASES}. */
export type FaultPhase = (typeof FAULT_PHASES)[number];

/** Actions of a fault: SIGKILL or SIGSTOP to this process, a phase that never ends, an exit with code 1, or a pause of 40 ms. */
const FAULT_ACTIONS = ['kill', 'stop', 'hang', 'exit', 'slow'] as const;

/** A name in {@link FAULT_ACTIONS}. */
export type FaultAction = (typeof FAULT_ACTIONS)[number];

/** A fault to inject. */
export interface Fault {
  /** The current step, or that of the checkpoint or state being moved; undefined: whichever reaches the phase first. */
  readonly step: number | undefined;
  readonly phase: FaultPhase;
  readonly action: FaultAction;
}

/** The faults of one process. */
export interface Faults {
  /** Called at the beginning of each phase; a returned promise must be awaited. Each fault strikes once, but `slow` every time. */
  reach(step: number, phase: FaultPhase): void | Promise<void>;
}

const NONE: Faults = { reach: () => undefined };

/** Exit code of a fault; only the log distinguishes it from a crash of our own. */
const EXIT_CODE = 1;

/** Pause of `slow`, in milliseconds: a job of some hundred steps then lasts for seconds, however fast the machine. */
const SLOW_MS = 40;

/**
 * Parses a list of faults, STEP/PHASE/ACTION separated by commas; STEP is a number or `*` for any.
 * @throws MaestroError `invalid-argument` that names the entry and the allowed values.
 */
export function parseFaults(text: string): Fault[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map((entry) => {
      const [step = '', phase = '', action = '', ...rest] = entry.split('/');
      if (rest.length > 0 || action === '') throw refusal(entry, 'expected STEP/PHASE/ACTION');
      if (step !== '*' && !/^\d{1,15}$/.test(step)) throw refusal(entry, `step ${step}: expected a whole number or *`);
      if (!isOneOf(FAULT_PHASES, phase)) throw refusal(entry, `phase ${phase}: expected ${FAULT_PHASES.join(', ')}`);
      if (!isOneOf(FAULT_ACTIONS, action)) throw refusal(entry, `action ${action}: expected ${FAULT_ACTIONS.join(', ')}`);
      return { step: step === '*' ? undefined : Number(step), phase, action };
    });
}

/**
 * Creates the faults of a process, for tests: set by `MAESTRO_FAULTS`, and no-ops without it. A listening parent process receives `{ fault:
 * 'STEP/PHASE/ACTION' }` just before one strikes, except for `slow`.
 *
 * @throws as {@link parseFaults}.
 */
export function createFaults(text: string | undefined): Faults {
  const faults = parseFaults(text ?? '');
  if (faults.length === 0) return NONE;
  const slow = faults.filter(({ action }) => action === 'slow');
  let left = faults.filter(({ action }) => action !== 'slow');
  return {
    reach(step, phase) {
      const isDue = (candidate: Fault): boolean => candidate.phase === phase && (candidate.step ?? step) === step;
      const fault = left.find(isDue);
      if (fault === undefined) return slow.some(isDue) ? setTimeout(SLOW_MS) : undefined;
      left = left.filter((other) => other !== fault);
      return strike(`${step}/${phase}/${fault.action}`, fault.action);
    },
  };
}

async function strike(name: string, action: FaultAction): Promise<void> {
  // The parent must know before this process can no longer send anything.
  await new Promise<void>((resolve) => (process.send === undefined ? resolve() : process.send({ fault: name }, () => resolve())));
  switch (action) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      break;
    case 'stop':
      process.kill(process.pid, 'SIGSTOP');
      return; // continued
    case 'exit':
      process.exit(EXIT_CODE);
      break;
    case 'hang':
      break;
  }
  await new Promise<never>(() => undefined);
}

function isOneOf<Name extends string>(names: readonly Name[], text: string): text is Name {
  return (names as readonly string[]).includes(text);
}

function refusal(entry: string, why: string): MaestroError {
  return new MaestroError('invalid-argument', `MAESTRO_FAULTS: ${entry}: ${why}`);
}
