import type { ServerWritableStream } from '@grpc/grpc-js';
import { MaestroError, toServiceError } from '@maestro/protocol';
import { type MemberState, type OutboundState, openOutboundState } from '../taps/outboundState.ts';
import type { ChunkFrame } from '../wire/codec.ts';
import type { StateRangeRequest, StateRequest } from '../wire/service.ts';

/** State that a member serves to the peers of a view. */
export interface ServeStateOptions {
  readonly job: string;
  /** Increases with each view of a job: a view is served once, and serving it stops serving earlier ones. */
  readonly generation: number;
  /** Id of this member. */
  readonly self: string;
  /**
   * Called at the first request for everything, whose answer serves all later ones, and at each request for ranges: it then returns one
   * vector per range, of the state after `step` (0: at the view's beginning). The returned vectors must not change until serving ends. A
   * rejection is reported to the requester.
   */
  readonly provide: (ranges: readonly StateRangeRequest[], step: number) => Promise<MemberState>;
}

/** A call of `PullState` as seen by its server. */
export type StateCall = ServerWritableStream<StateRequest, ChunkFrame>;

/** The serving side of `PullState`. */
export interface StateSource {
  /** Handles a call: streams the state, holds the call until its view is served, or refuses it. */
  readonly admit: (call: StateCall) => void;
  /** See `Collective.serveState`. */
  readonly serve: (options: ServeStateOptions) => () => void;
  /** Ends all serving and all calls. */
  readonly close: () => void;
}

/** Options of {@link openStateSource}. */
export interface StateSourceOptions {
  /** True when this worker is in a later view of the job. */
  readonly isOver: (job: string, generation: number) => boolean;
  /**
   * Time a request may wait for its view to be served: shorter than the puller's deadline, so that the puller learns the reason. Default
   * 20,000.
   */
  readonly earlyWaitMs?: number;
}

interface Serving extends ServeStateOptions {
  readonly pulls: Set<StateCall>;
  state: Promise<OutboundState> | undefined;
}

/** Limits the requests that wait for their view to be served. */
const MOST_EARLY_PULLS = 64;

/** Opens the serving side of `PullState`. */
export function openStateSource({ isOver, earlyWaitMs = 20_000 }: StateSourceOptions): StateSource {
  const servings = new Map<string, Serving>();
  const newest = new Map<string, number>();
  const early = new Map<StateCall, NodeJS.Timeout>();

  const admit = (call: StateCall): void => {
    const { job, generation, target } = call.request;
    const serving = servings.get(job);
    if (serving?.generation === generation) {
      if (target === serving.self) begin(call, serving);
      else refuse(call, `this worker is ${serving.self}`);
    } else if (isOver(job, generation) || generation <= (newest.get(job) ?? -1)) {
      refuse(call, 'this worker no longer serves that view');
    } else if (early.size === MOST_EARLY_PULLS) {
      refuse(call, `${MOST_EARLY_PULLS} requests are already waiting for views that are not served yet`);
    } else {
      const expire = () => early.delete(call) && refuse(call, `this worker did not serve that view within ${earlyWaitMs} ms`);
      early.set(call, setTimeout(expire, earlyWaitMs));
      call.once('cancelled', () => forget(call));
    }
  };

  const forget = (call: StateCall): void => {
    clearTimeout(early.get(call));
    early.delete(call);
  };

  const serve = (options: ServeStateOptions): (() => void) => {
    const { job, generation, self } = options;
    const last = newest.get(job) ?? -1;
    if (generation <= last) {
      throw new MaestroError('conflict', `serveState: generation ${generation} of job ${job} is over at ${self}, the newest is ${last}`);
    }
    const earlier = servings.get(job);
    if (earlier !== undefined) end(earlier);
    const serving: Serving = { ...options, pulls: new Set(), state: undefined };
    newest.set(job, generation);
    servings.set(job, serving);
    for (const call of [...early.keys()]) {
      if (call.request.job !== job || call.request.generation > generation) continue;
      forget(call);
      admit(call);
    }
    return () => end(serving);
  };

  const end = (serving: Serving, code: 'conflict' | 'unavailable' = 'conflict'): void => {
    if (servings.get(serving.job) === serving) servings.delete(serving.job);
    for (const call of serving.pulls) refuse(call, 'this worker no longer serves that view', code);
    serving.pulls.clear();
  };

  return {
    admit,
    serve,
    close: () => {
      for (const serving of [...servings.values()]) end(serving, 'unavailable');
      for (const call of [...early.keys()]) {
        forget(call);
        refuse(call, 'this worker leaves', 'unavailable');
      }
    },
  };
}

/** Streams the state to one puller: one message per turn of the event loop, each after the previous one has left. */
function begin(call: StateCall, serving: Serving): void {
  const { pulls, provide } = serving;
  const { ranges, step } = call.request;
  const isForAll = ranges.length === 0;
  let release = (): void => {};
  const leave = (): boolean => {
    release();
    release = () => {};
    return pulls.delete(call);
  };
  const send = (state: OutboundState, n: number): void => {
    if (!pulls.has(call)) return void leave();
    if (n < state.count) {
      call.write(state.message(n), () => void setImmediate(send, state, n + 1));
    } else {
      leave();
      call.end();
    }
  };
  pulls.add(call);
  call.once('cancelled', () => pulls.delete(call));
  const open = async (): Promise<OutboundState> => {
    const state = await provide(ranges, step);
    if (!isForAll && state.release !== undefined) release = state.release;
    return openOutboundState(state);
  };
  if (isForAll) serving.state ??= open();
  (isForAll ? serving.state! : open()).then(
    (state) => send(state, 0),
    (error: unknown) => leave() && call.emit('error', toServiceError(error)),
  );
}

function refuse(call: StateCall, reason: string, code: 'conflict' | 'unavailable' = 'conflict'): void {
  const { job, generation, member, target } = call.request;
  const message = `PullState by ${member} of ${target} (job ${job}, generation ${generation}): ${reason}`;
  call.emit('error', toServiceError(new MaestroError(code, message)));
}
