import { type CheckpointReport, describeProblems } from '@maestro/checkpoint';
import { formatBytes } from '@maestro/protocol';
import { duration } from '../job/progressView.ts';
import { textTable } from '../terminal/textTable.ts';

/** An examined checkpoint, with the time of its writing. */
export interface ExaminedCheckpoint extends CheckpointReport {
  /** ISO 8601, UTC. */
  readonly writtenAt: string;
}

/** Formats a table of checkpoints, one line each: step, size, age, validity, and its hash or its problems. */
export function checkpointTable(checkpoints: readonly ExaminedCheckpoint[], nowMs: number = Date.now()): string {
  return textTable([['STEP', 'SIZE', 'AGE', 'STATUS', 'HASH'], ...checkpoints.map((checkpoint) => cells(checkpoint, nowMs))]);
}

function cells({ step, sizeBytes, writtenAt, valid, checkpointHash, problems, extraFiles }: ExaminedCheckpoint, nowMs: number): string[] {
  const size = sizeBytes === undefined ? '-' : formatBytes(sizeBytes);
  const age = duration((nowMs - Date.parse(writtenAt)) / 1000);
  const extra = extraFiles.length === 0 ? '' : ` (files that do not belong to it: ${extraFiles.join(', ')})`;
  const finding = valid ? `${checkpointHash}${extra}` : describeProblems(problems);
  return [step === undefined ? '?' : String(step), size, age, valid ? 'valid' : 'INVALID', finding];
}
