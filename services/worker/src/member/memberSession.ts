import type { Dataset } from '@maestro/data';
import type { FlatLayout } from '@maestro/mae';
import type { StateShard } from '@maestro/protocol';
import type { JobSession } from '../session/jobSession.ts';
import type { KnnSession } from '../session/knnSession.ts';
import { type ShardServiceOptions, serveShards } from '../state/shardTransfer.ts';
import { runKnnView } from '../view/knnView.ts';
import { runView, type ViewRunOptions } from '../view/viewRun.ts';

/** What a worker has open for a job, as its member sees it: whatever the job is for. */
export interface MemberSession {
  readonly dataset: Dataset;
  readonly layout: FlatLayout;
  /** What the members of a job must have in common, as JSON. */
  readonly identityJson: string;
  /** Steps that its state has been through; -1 while it holds none that a view could start from. */
  readonly state: number;
  /** What was measured, by name; empty until it was, and for a job that trains. */
  readonly results: Readonly<Record<string, number>>;
  /** What of which states this member can give to others. */
  offers(): readonly StateShard[];
  /** Works for one view. @throws the signal's reason, or a MaestroError of what broke the view. */
  run(options: Omit<ViewRunOptions, 'session'>): Promise<'finished' | 'held'>;
  /**
   * Gives what it holds of the state to a view that goes on without this worker, until the returned function is called; undefined when it
   * has nothing to give.
   */
  serve(options: Omit<ShardServiceOptions, 'session'>): (() => void) | undefined;
  /** Whether it has a state that a checkpoint can be written of. */
  readonly canSave: boolean;
  /** Writes a checkpoint of its state, and resolves when that is on disk. */
  save(): Promise<void>;
  /** What a view cost, for the log. */
  costs(): Readonly<Record<string, unknown>>;
  close(): Promise<void>;
}

/** The session of a job that trains. */
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

/** The session of a job that measures: it has no peers, and nothing of its state is kept. */
export function measuringSession(session: KnnSession): MemberSession {
  const { dataset, layout, identityJson } = session;
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
    run: (options) => runKnnView({ ...options, session }),
    serve: () => undefined,
    canSave: false,
    save: async () => undefined,
    costs: () => ({}),
    close: () => session.close(),
  };
}
