import { JOB_PRECISIONS, specHash } from '@maestro/protocol';
import type { PrecisionChoice } from '../placement/choosePrecision.ts';
import { record, type Turn, update } from './view/turn.ts';

/** Makes the choice part of the job: from now on its file has it. Does nothing for a job whose file names a precision. */
export function decidePrecision(turn: Turn, choice: PrecisionChoice): void {
  const { facts } = turn.run;
  if (facts.spec.precision !== 'auto') return;
  update(turn, { choice, facts: { ...facts, spec: { ...facts.spec, precision: choice.precision } } });
  record(turn, 'state', choice.reason);
}

/**
 * Takes the choice over from a worker that works for a job whose start Redis has lost: the hash of its file tells. Returns false when that
 * is unknown.
 */
export function adoptPrecision(turn: Turn, name: string, identityJson: string): boolean {
  const { spec } = turn.run.facts;
  if (spec.precision !== 'auto') return true;
  const { specHash: hash } = identityJson === '' ? {} : (JSON.parse(identityJson) as { readonly specHash?: unknown });
  const precision = JOB_PRECISIONS.find((each) => specHash({ ...spec, precision: each }) === hash);
  if (precision === undefined) return false;
  decidePrecision(turn, { precision, reason: `precision auto: ${precision}, since ${name} works with it` });
  return true;
}
