import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { errorMessage, MaestroError } from '@maestro/protocol';

/** What every stage is told. */
export interface StageConfig {
  /** Folder of this run: the engine's data, the settings, the images to train on. */
  readonly dir: string;
  /** Whether the stage starts an engine of its own, or uses the one that runs. */
  readonly isPrivate: boolean;
  /** docker-compose, in words. */
  readonly compose: readonly string[];
  /** Tag of the images under test, and their Compose project. */
  readonly tag: string;
  /** Whether npm can fetch packages; else it gets this machine's cache of them. */
  readonly hasPackages: boolean;
  /** A job that goes on until it is cancelled. */
  readonly longJob: unknown;
  /** A job that ends by itself, and what it must come to; empty until that is known. */
  readonly shortJob: { readonly spec: unknown; readonly hash: string };
  /** The demo's job; absent where its data set cannot be had. */
  readonly demoJob?: unknown;
}

/** A step that was taken. */
export interface StepReport {
  readonly name: string;
  readonly seconds: number;
  /** What was found, what went wrong, or why it was left out. */
  readonly note: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
}

/** What a step gives that cannot be taken here: why. */
export interface LeftOut {
  readonly because: string;
}

/** What a step does; it gives what was found. */
export type Work = () => Promise<string | LeftOut>;

/** Does a step and tells of it. @throws MaestroError when it failed, so that nothing builds on it. */
export type TakeStep = (name: string, work: Work) => Promise<void>;

/** Does a step and reports on it, whatever comes of it. */
export async function timeStep(name: string, work: Work, report: (step: StepReport) => void): Promise<StepReport['outcome']> {
  const startMs = performance.now();
  const tell = (outcome: StepReport['outcome'], note: string): StepReport['outcome'] => {
    report({ name, seconds: (performance.now() - startMs) / 1000, note, outcome });
    return outcome;
  };
  try {
    const found = await work();
    return typeof found === 'string' ? tell('passed', found) : tell('skipped', found.because);
  } catch (error) {
    return tell('failed', errorMessage(error));
  }
}

/** What a stage's process tells its parent. */
type Message = StepReport | { readonly result: unknown };

/**
 * The main function of a stage's process: its steps and what it gives are told to the parent, and its exit code is 1 when a step failed.
 */
export async function runStage(main: (config: StageConfig, step: TakeStep) => Promise<unknown>): Promise<void> {
  const tell = (message: Message): void => void process.send!(message);
  const endWithParent = (): void => process.exit(1);
  process.once('disconnect', endWithParent);
  const config = JSON.parse(process.argv[2]!) as StageConfig;
  let hasToldFailure = false;
  const step: TakeStep = async (name, work) => {
    if ((await timeStep(name, work, tell)) !== 'failed') return;
    hasToldFailure = true;
    throw new MaestroError('conflict', `${name}: failed`);
  };
  try {
    tell({ result: await main(config, step) });
  } catch (error) {
    if (!hasToldFailure) tell({ name: 'stage', seconds: 0, note: errorMessage(error), outcome: 'failed' });
    process.exitCode = 1;
  }
  process.off('disconnect', endWithParent);
  process.disconnect();
}

/** What the stages of a private engine are kept apart in; they end with their first process, whatever is left running in them. */
const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];

/** A stage that runs. */
export interface RunningStage {
  /** Resolves when it has ended, with what it gave; undefined when a step failed. */
  readonly ended: Promise<unknown>;
  kill(): void;
}

/**
 * Starts a stage in a process of its own. That of a private engine has its own mounts and process numbers, and where `isNetworkOwn` its own
 * network: the engine's bridges and rules for packets are then nobody else's, and all of it is gone when the stage ends.
 */
export function startStage(
  file: string,
  config: StageConfig,
  { isNetworkOwn, onStep }: { readonly isNetworkOwn: boolean; readonly onStep: (step: StepReport) => void },
): RunningStage {
  const node = [process.execPath, fileURLToPath(new URL(file, import.meta.url)), JSON.stringify(config)];
  // docker-init takes care of processes whose parent has ended, as the first process of a system must.
  const command = config.isPrivate
    ? ['unshare', ...(isNetworkOwn ? ['--net'] : []), ...NAMESPACES, '--', 'docker-init', '--', ...node]
    : node;
  const child: ChildProcess = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  let result: unknown;
  child.on('message', (message: Message) => {
    if ('result' in message) result = message.result;
    else onStep(message);
  });
  const ended = new Promise<unknown>((resolve) => {
    child.once('error', () => resolve(undefined));
    child.once('close', (code) => resolve(code === 0 ? result : undefined));
  });
  return { ended, kill: () => void child.kill('SIGKILL') };
}
