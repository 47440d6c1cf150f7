import { commonIdentity, identityDifferences, isLoaded, type Standing } from '@maestro/protocol';
import { recipeIdentity } from '@maestro/recipes';
import type { IdentityVote, JobRun, RunWorker } from '../state/runState.ts';
import { dismiss } from '../view/loseWorker.ts';
import { record, type Turn, update, updateWorker } from '../view/turn.ts';
import { identityAdvice } from './identityAdvice.ts';

/** Digits of a hash shown in a message. */
const SHOWN_DIGITS = 12;
const COORDINATOR = 'the coordinator';

/**
 * Checks that a worker has what all members must have in common; one that has not is dismissed. Before the first view that is unknown: the
 * worker's values are recorded as a vote, and the forming view follows the majority.
 */
export function isAlike(turn: Turn, worker: RunWorker, { identityJson, datasetLength, stateLength, generation }: Standing): boolean {
  if (identityJson === '') return true;
  const { id: workerId, name } = worker;
  const whole = JSON.parse(identityJson) as Readonly<Record<string, unknown>>;
  noteDevice(turn, worker, String(whole['device']));
  const identity = commonIdentity(whole, turn.run.facts.spec);
  const own: IdentityVote = { workerId, by: name, identity, datasetLength, stateLength, isRefused: false };
  const { common, votes = [] } = turn.run;
  if (common !== undefined) return isSame(common, own) || refuse(turn, worker, own, common);
  // Before the first view nothing is agreed on but the recipe, which the coordinator has read the job with.
  const { spec } = turn.run.facts;
  const expected = { ...identity, ...(isLoaded(spec) && recipeIdentity(spec)) };
  const ofCoordinator = { by: COORDINATOR, identity: expected };
  if (generation === 0 && !isSame(ofCoordinator, own)) return refuse(turn, worker, own, ofCoordinator);
  // A member of a view that Redis has lost: it was decided then.
  if (generation > 0) settle(turn, own);
  else if (votes.some((vote) => vote.workerId === workerId && isSame(vote, own))) return true;
  else update(turn, { votes: [...votes.filter(({ by }) => by !== name), own] });
  return true;
}

/**
 * Dismisses the workers that differ from the majority of all votes, the first of equals; a dismissed worker that belongs to the majority by
 * now may come back. Returns what the rest have in common.
 */
export function agree(turn: Turn): IdentityVote | undefined {
  const { votes = [], workers } = turn.run;
  const support = (vote: IdentityVote): number => votes.filter((other) => isSame(vote, other)).length;
  const winner = votes.reduce<IdentityVote | undefined>((best, vote) => (best && support(best) >= support(vote) ? best : vote), undefined);
  if (winner === undefined) return undefined;
  for (const worker of workers) {
    const vote = votes.find(({ workerId }) => workerId === worker.id);
    if (vote !== undefined && !worker.isReleased && !isSame(vote, winner)) refuse(turn, worker, vote, winner);
  }
  const isWelcome = (id: string): boolean => votes.some((vote) => vote.workerId === id && vote.isRefused && isSame(vote, winner));
  update(turn, {
    refusals: turn.run.refusals.filter(({ workerId }) => !isWelcome(workerId)),
    votes: votes.map((vote) => ({ ...vote, isRefused: !isSame(vote, winner) })),
  });
  return winner;
}

/** Records, once, that the job's weights depend on who computes, when a worker on another device than an earlier one joins. */
function noteDevice(turn: Turn, { id, name }: RunWorker, device: string): void {
  updateWorker(turn, id, { device });
  const { facts, workers, inexact } = turn.run;
  const other = workers.find((worker) => worker.device !== undefined && worker.device !== device);
  if (inexact !== undefined || other === undefined || !facts.spec.resources.allowMixedDevices) return;
  const message =
    `${name} computes on ${device} and ${other.name} on ${other.device}, as allowMixedDevices allows: the weights ` +
    'depend on who computes what, and equal bits are not promised';
  update(turn, { inexact: message });
  record(turn, 'state', message);
}

/** Fixes what all members must have from now on. */
export function settle(turn: Turn, { by, identity, datasetLength, stateLength }: IdentityVote): void {
  const { votes: _counted, ...rest } = turn.run;
  turn.run = { ...rest, common: { by, identity, datasetLength, stateLength } };
}

type Identified = Pick<NonNullable<JobRun['common']>, 'by' | 'identity'>;

function isSame(a: Identified, b: Identified): boolean {
  return identityDifferences(a.identity, b.identity).length === 0;
}

function refuse(turn: Turn, worker: RunWorker, own: Identified, common: Identified): false {
  const keys = identityDifferences(common.identity, own.identity);
  const named = keys.map((key) => `${key} ${shown(own.identity[key])} where ${common.by} has ${shown(common.identity[key])}`).join(', ');
  const from = common.by === COORDINATOR ? COORDINATOR : 'its peers';
  const difference = `${worker.name} differs from ${from}, so the bits would depend on who computes: ${named}`;
  const advice = identityAdvice(turn.run.facts.spec, keys);
  const reason = advice === '' ? difference : `${difference}; ${advice}`;
  dismiss(turn, worker, { type: 'refused', reason, untilMs: Number.MAX_SAFE_INTEGER });
  return false;
}

/** Formats a value of an identity for a message: the beginning of a long hash, which `dataset inspect` shows as well. */
function shown(value: unknown): string {
  const text = String(value ?? 'none');
  return /^[0-9a-f]{32,}$/.test(text) ? `${text.slice(0, SHOWN_DIGITS)}...` : text;
}
