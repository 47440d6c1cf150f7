import type { Dataset } from '@maestro/data';
import type { StateShard } from '@maestro/protocol';
import type { ParameterLayout } from '@maestro/tensors';
import type { JobSession } from '../session/jobSession.ts';
import type { MeasuringSession } from '../session/measuringSession.ts';
import { type ShardServiceOptions, serveShards } from '../state/shardTransfer.ts';
import { runMeasuringView } from '../view/measuringView.ts';
import { runView, type ViewRunOptions } from '../view/viewRun.ts';

/** A worker's open resources for a job, as seen by its member: the same interface for every recipe. */
export interface MemberSession {
  readonly dataset: Dataset;
  readonly layout: ParameterLayout;
  /** What the members of a job must have in common, as JSON. */
  readonly identityJson: string;
  /** Steps of its state; -1 while it holds none that a view could start from. */
  readonly state: number;
  /** Measured results, by name; empty until there are any, and for a training job. */
  readonly results: Readonly<Record<string, number>>;
  /** Lists the parts of states that this member can serve to others. */
  offers(): readonly StateShard[];
  /** Works for one view. @throws the signal's reason, or the MaestroError that broke the view. */
  run(options: Omit<ViewRunOptions, 'session'>): Promise<'finished' | 'held'>;
  /**
   * Serves its part of the state to a view that continues without this worker, until the returned function is called; undefined when it has
   * nothing to serve.
   */
  serve(options: Omit<ShardServiceOptions, 'session'>): (() => void) | undefined;
  /** True when it has a state that a checkpoint can be written of. */
  readonly canSave: boolean;
  /** Writes a checkpoint of its state, and resolves when that is on disk. */
  save(): Promise<void>;
  /** Returns the costs of a view, for the log. */
  costs(): Readonly<Record<string, unknown>>;
  close(): Promise<void>;
}

/** Wraps the session of a training job. */
export function trainingSession(session: JobSession): MemberSession {
  const { dataset, layout, identityJson, checkpointer, snapshots } = session;
  return {
    dataset,
    layout,
    identityJson,
    get state() {
      return session.state;
    },
    results: {},
    offers: () => [...session.shards, ...snapshots.offers()],
    run: (options) => runView({ ...options, session }),
    serve: (options) => serveShards({ ...options, session }),
    get canSave() {
      return session.state >= 0;
    },
    save: () => checkpointer.write(session.state),
    costs: () => (session.isSharded ? { snapshots: snapshots.cost() } : {}),
    close: () => session.close(),
  };
}

/** Wraps the session of a measuring job: it has no peers, and its state is not saved. */
export function measuringSession(session: MeasuringSession): MemberSession {
  const { dataset, identityJson } = session;
  const { layout } = session.measuring;
  return {
    dataset,
    layout,
    identityJson,
    get state() {
      return session.state;
    },
    get results() {
      return session.results;
    },
    offers: () => [],
    run: (options) => runMeasuringView({ ...options, session }),
    serve: () => undefined,
    canSave: false,
    save: async () => undefined,
    costs: () => ({}),
    close: () => session.close(),
  };
}
