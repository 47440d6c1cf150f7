import type { StepCommitted, View, WorkerMessage } from '@maestro/protocol';
import type { PeerFailure, Peers, Seat } from './peers.ts';
import type { TrainerModel } from './trainerModel.ts';
import { lineageOf, type ModelState, nextLineage, type World } from './world.ts';

/** Steps between two checkpoints. */
const CHECKPOINT_STEPS = 5;

/** The view that a member works for. */
export interface CurrentView {
  readonly view: View;
  readonly seat: Seat;
  isOver: boolean;
  isFormed: boolean;
  holdAt: number;
  /** While it applies a step, what ends the view waits. */
  pending: { readonly failure: PeerFailure | undefined } | undefined;
}

/** What the steps of a view need of their member. */
export interface StepsHost {
  readonly id: string;
  readonly jobId: string;
  readonly peers: Peers;
  readonly trainer: TrainerModel;
  readonly send: (message: WorkerMessage) => void;
  readonly later: (delayMs: number, action: () => void) => void;
  readonly slowness: () => number;
  readonly isHung: () => boolean;
  readonly state: () => ModelState;
  readonly setState: (state: ModelState) => void;
  readonly onPhase: (step: number, phase: string) => void;
  /** Writes the checkpoint of a step. */
  readonly write: (step: number) => void;
  /** The view is over for this member, as `abort` is before its end. */
  readonly finish: (here: CurrentView, to: 'held' | 'finished', why?: PeerFailure, isDone?: boolean) => void;
  readonly abort: (here: CurrentView, why: PeerFailure) => void;
  readonly addReport: (report: StepCommitted) => void;
  /** A state that was being pulled is whole, after its view was given up. */
  readonly onLateState: (here: CurrentView) => void;
}

/** A model of `gradientProgram.ts`, and of what comes before its first step and after its last. */
export interface StepsModel {
  /** All have formed: comes to the state of the first step, and trains. */
  start(here: CurrentView): void;
  /** The gradients of a step are summed. */
  reduced(here: CurrentView, step: number, isHeld: boolean): void;
}

/** The steps of a member's views, one view after the other. */
export function createStepsModel(world: World, host: StepsHost): StepsModel {
  const { dice, violate, totalSteps } = world;
  const { id, jobId, peers, trainer, send, later, onPhase, write, finish, abort } = host;

  const start = (here: CurrentView): void => {
    const { startStep, sources } = here.view;
    if (host.state().step === startStep) return begin(here, startStep);
    onPhase(startStep, 'heal');
    later(dice.between(50, 900), () => {
      if (here.isOver) return;
      const source = here.view.members.find(({ id: of }) => of === sources[0])!;
      const serving = peers.seatOf(here.view.generation, source.id);
      if (serving === undefined || !serving.isAwake()) {
        return abort(here, { code: 'peer-lost', message: `heal: ${source.name} is lost`, suspect: source.name });
      }
      const got = serving.state();
      if (got.step !== startStep)
        violate(`${id} heals from ${source.id}, which has step ${got.step} where the view starts at ${startStep}`);
      // What was begun goes on even when the view is given up meanwhile.
      host.setState({ step: -1, lineage: 0 });
      const ms = dice.between(1, 200);
      trainer.run(ms, () => {
        host.setState(got);
        if (!here.isOver) return begin(here, startStep);
        host.onLateState(here);
      });
    });
  };
  const begin = (here: CurrentView, step: number): void => {
    if (here.isOver) return;
    if (step >= totalSteps) return complete(here);
    onPhase(step, 'lease');
    const lease = (): void => {
      if (here.isOver) return;
      if (!world.isRedisUp) return later(200, lease);
      onPhase(step, 'compute');
      compute(here, step);
    };
    lease();
  };
  const compute = (here: CurrentView, step: number): void => {
    later(dice.between(80, 250) * host.slowness(), () => {
      if (here.isOver) return;
      if (host.isHung()) return compute(here, step);
      onPhase(step, 'reduce');
      peers.give(here.seat, step, step + 1 >= here.holdAt);
    });
  };
  const reduced = (here: CurrentView, step: number, isHeld: boolean): void => {
    if (here.isOver) return;
    onPhase(step, 'apply');
    const ms = dice.between(5, 60);
    trainer.run(ms, () => {
      const before = host.state();
      if (before.step !== step) violate(`${id} applies step ${step} to state ${before.step}`);
      const lineage = nextLineage(before.lineage, step);
      host.setState({ step: step + 1, lineage });
      if (lineage !== lineageOf(step + 1)) violate(`${id} has diverged at step ${step + 1}`);
      const isFirst = here.view.members[0]!.id === id;
      const { generation } = here.view;
      const report = { jobId, generation, step: step + 1, metrics: { loss: lineage }, images: 8, stepSeconds: 0.3, ranks: [] };
      host.addReport(report);
      if (isFirst) send({ kind: 'committed', ...report });
      if (isFirst && (step + 1) % CHECKPOINT_STEPS === 0 && step + 1 < totalSteps) later(dice.between(20, 600), () => write(step + 1));
      onPhase(step, 'report');
      if (here.pending !== undefined) return finish(here, 'held', here.pending.failure);
      if (isHeld) return finish(here, 'held', undefined, true);
      begin(here, step + 1);
    });
  };
  const complete = (here: CurrentView): void => {
    if (here.view.members[0]!.id !== id) return finish(here, 'finished', undefined, true);
    onPhase(totalSteps, 'checkpoint');
    const ms = dice.between(50, 500);
    trainer.run(ms, () => {
      write(totalSteps);
      finish(here, 'finished', undefined, true);
    });
  };

  return { start, reduced };
}
