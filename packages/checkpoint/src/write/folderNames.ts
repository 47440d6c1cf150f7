import { hostname } from 'node:os';
import { type ProcessIdentity, processStart } from '@maestro/protocol';

/** Digits of a step in a folder's name, so that names sort like steps up to a hundred million. */
const STEP_DIGITS = 8;

/** Returns the folder name of a step's checkpoint: `step-00001234`. */
export function stepFolder(step: number): string {
  return `step-${String(step).padStart(STEP_DIGITS, '0')}`;
}

/** Returns the step of a checkpoint folder's name; undefined for any other name. */
export function folderStep(name: string): number | undefined {
  const step = Number(/^step-(\d{8,15})$/.exec(name)?.[1] ?? Number.NaN);
  return stepFolder(step) === name ? step : undefined;
}

/**
 * States in which a folder is not, or no longer, a checkpoint: being written, moved aside for a new one of the same step, or being removed.
 * Each state is entered by one rename, so a folder named `step-...` is always whole.
 */
export type PassingState = 'writing' | 'replaced' | 'removing';

/** A folder in transition, and the process that works on it. */
export interface PassingFolder {
  readonly state: PassingState;
  readonly step: number;
  readonly process: ProcessIdentity;
  readonly host: string;
}

let count = 0;
let self: string | undefined;

/**
 * Returns a name for a folder in transition that no other process and no other call of this one uses:
 * `.writing-step-00001234-77.0123456789ab-1-host`.
 */
export function passingFolder(state: PassingState, step: number): string {
  self ??= [process.pid, processStart(process.pid) ?? []].flat().join('.');
  return `.${state}-${stepFolder(step)}-${self}-${count++}-${hostname()}`;
}

/** Parses a name of {@link passingFolder}; undefined for any other. */
export function parsePassingFolder(name: string): PassingFolder | undefined {
  const match = /^\.(writing|replaced|removing)-(step-\d+)-(\d+)(?:\.([0-9a-f]{12}))?-\d+-(.*)$/.exec(name);
  const step = match === null ? undefined : folderStep(match[2]!);
  if (match === null || step === undefined) return undefined;
  return { state: match[1] as PassingState, step, process: { pid: Number(match[3]), started: match[4] }, host: match[5]! };
}
