import type {
  FailureTimeouts,
  Hold,
  MaestroError,
  MemberStatus,
  SkippedImage,
  Standing,
  StepCommitted,
  View,
  WorkerMessage,
} from '@maestro/protocol';

/** Why a member is to leave its job. */
export interface ReleaseRequest {
  readonly reason: string;
  /** Whether it writes a checkpoint of its state before it leaves. */
  readonly writeCheckpoint: boolean;
}

/** What a member is, whatever happens to it. */
export interface MemberFacts {
  readonly jobId: string;
  /** This worker's id. */
  readonly self: string;
  /** Whether reports are kept until the ledger has them. */
  readonly isFaultTolerant: boolean;
  /** So long a member that leaves waits for what may hang. */
  readonly leaveMs: FailureTimeouts['silenceMs'];
}

/** The view that the member has taken up last. */
export interface WorkedView {
  readonly view: View;
  /** It has ended, or was given up and is not waited for. */
  readonly isOver: boolean;
  /** Its run was told to end at once. */
  readonly isGivenUp: boolean;
  /** Steps that the state had been through when the view was over. */
  readonly toldStep: number;
}

/**
 * The state of a worker's part in one job: plain data, changed by `transition` alone. What it holds of the training state is the session's,
 * and comes with each event as {@link SessionNow}.
 */
export interface MemberState extends MemberFacts {
  /**
   * `stopping` waits for what is under way in the trainer, `saving` for its last checkpoint. When it has `left`, what could not be waited
   * for may still come to its end; it is `closed` once all has.
   */
  readonly life: 'opening' | 'open' | 'stopping' | 'saving' | 'closing' | 'left' | 'closed';
  /** Of what the job needs: data, model, threads. */
  readonly session: 'opening' | 'open' | 'closing' | 'none';
  readonly status: MemberStatus;
  /** Of the newest view that was taken up or served. */
  readonly generation: number;
  /** Of the state that it restored or initialised by itself for the view; else empty. */
  readonly stateHash: string;
  /** What broke the view; absent when nothing did, or when it was asked to end. */
  readonly failure?: MaestroError;
  readonly worked?: WorkedView;
  /** Taken up once the present one is over. */
  readonly next?: View;
  /** It gives others what it holds of the state of a view that goes on without it. */
  readonly isServing: boolean;
  /** Of steps that no ledger is known to have, oldest first. */
  readonly reports: readonly StepCommitted[];
  readonly release?: ReleaseRequest;
  /** What ends the member though nobody released it, and at which step. */
  readonly fault?: { readonly error: MaestroError; readonly step: number };
  /** What may be under way in the trainer: runs of views by their generation, and checkpoints that were asked for. */
  readonly runs: readonly number[];
  readonly saves: number;
}

/** What is so of the session at the time of an event. */
export interface SessionNow {
  /** Steps that its state has been through; -1 while it holds none that a view could start from. */
  readonly step: number;
  /** Whether it can write a checkpoint of it. */
  readonly canSave: boolean;
  /** The step that is under way is being applied: to break off here would leave a state that is of use to nobody. */
  readonly isChanging: boolean;
}

/** What the member's host tells: of its session, and of the runs of views in it. */
export type HostEvent =
  | { readonly type: 'opened' }
  | { readonly type: 'openFailed'; readonly error: MaestroError }
  /** A run is connected to its peers, and has come to this state where it did so by itself. */
  | { readonly type: 'formed'; readonly generation: number; readonly stateHash: string }
  /** This member has applied its part of a step: others may go on from it. */
  | { readonly type: 'applied'; readonly report: StepCommitted }
  /** A step is done. */
  | { readonly type: 'committed'; readonly report: StepCommitted }
  | { readonly type: 'skipped'; readonly generation: number; readonly step: number; readonly images: readonly SkippedImage[] }
  /** Nothing of the run is under way any more. */
  | { readonly type: 'runEnded'; readonly generation: number; readonly outcome: 'finished' | 'held' }
  | { readonly type: 'runFailed'; readonly generation: number; readonly error: MaestroError }
  /** A checkpoint that the member asked for is written, or could not be. */
  | { readonly type: 'saved' }
  | { readonly type: 'saveFailed'; readonly step: number; readonly message: string }
  /** The same of any checkpoint. */
  | { readonly type: 'checkpoint'; readonly step: number; readonly path: string; readonly hash: string }
  | { readonly type: 'checkpointFailed'; readonly step: number; readonly message: string }
  /** A snapshot is lost that was offered to others. */
  | { readonly type: 'snapshotLost' }
  /** The session is closed. */
  | { readonly type: 'closed' };

/** What can happen to a member. */
export type MemberEvent =
  | HostEvent
  | { readonly type: 'view'; readonly view: View }
  | { readonly type: 'go'; readonly generation: number }
  | { readonly type: 'hold'; readonly hold: Hold }
  /** The ledger has all steps up to `step`. */
  | { readonly type: 'acknowledge'; readonly step: number }
  | { readonly type: 'save' }
  | { readonly type: 'release'; readonly request: ReleaseRequest }
  /** So much time has passed since the member began to wait for it. */
  | { readonly type: 'late'; readonly what: Deadline };

/** What a member that leaves does not wait for any longer than it may. */
export type Deadline = 'opening' | 'view' | 'stopping' | 'closing';

/** What a member says of itself; the rest of a standing is the session's. */
export type ToldOfMember = Pick<
  Standing,
  'jobId' | 'generation' | 'status' | 'stateHash' | 'reports' | 'errorCode' | 'errorMessage' | 'suspect'
>;

/** How a member's part in the job ends. */
export interface Leaving {
  readonly outcome: 'released' | 'failed';
  readonly reason: string;
  readonly error?: MaestroError;
  readonly step: number;
}

/** What is to be done after a transition, in order. */
export type MemberEffect =
  | { readonly type: 'send'; readonly message: WorkerMessage }
  /** Sends where it stands, with what the session holds now. */
  | { readonly type: 'tell'; readonly told: ToldOfMember }
  | { readonly type: 'giveUpOpening'; readonly reason: MaestroError }
  /** Works for a view; what an earlier run has under way in the trainer comes first. */
  | { readonly type: 'run'; readonly view: View }
  /** All members of the run's view have formed. */
  | { readonly type: 'start'; readonly generation: number }
  /** The run is to end after a step. */
  | { readonly type: 'hold'; readonly generation: number; readonly notBefore: number; readonly writeCheckpoint: boolean }
  /** The run is to end at once. */
  | { readonly type: 'abort'; readonly generation: number; readonly reason: MaestroError }
  /** The view is over for the member, whatever of its run is still under way. */
  | { readonly type: 'viewOver'; readonly view: View; readonly status: 'held' | 'finished'; readonly failure?: MaestroError }
  | { readonly type: 'serve'; readonly view: View }
  | { readonly type: 'stopServing' }
  /** Writes a checkpoint of the state, once nothing else is under way in the trainer. */
  | { readonly type: 'save' }
  /** It begins to leave, being released. */
  | { readonly type: 'leave' }
  /** Closes the session, if there is one; it may hang. */
  | { readonly type: 'close'; readonly leaving: Leaving }
  /** Comes back as `late` after so long. */
  | { readonly type: 'after'; readonly ms: number; readonly what: Deadline }
  /** It has left. */
  | { readonly type: 'ended' }
  /** Nothing is open or under way any more. The last effect. */
  | { readonly type: 'closed' };

/** What a transition gives: the new state, and what is to be done. */
export interface MemberTransition {
  readonly state: MemberState;
  readonly effects: readonly MemberEffect[];
}

/** A member whose session is being opened. */
export function openingMember({ jobId, self, isFaultTolerant, leaveMs }: MemberFacts): MemberState {
  return {
    jobId,
    self,
    isFaultTolerant,
    leaveMs,
    life: 'opening',
    session: 'opening',
    status: 'preparing',
    generation: 0,
    stateHash: '',
    isServing: false,
    reports: [],
    runs: [],
    saves: 0,
  };
}
