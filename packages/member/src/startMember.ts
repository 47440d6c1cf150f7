import { assertInternal, type Hold, type Standing, type View } from '@maestro/protocol';
import type { OpenMemberHost, RunHandle } from './memberHost.ts';
import {
  type MemberEffect,
  type MemberEvent,
  type MemberFacts,
  type MemberState,
  openingMember,
  type ReleaseRequest,
} from './memberState.ts';
import { toldBy } from './toldBy.ts';
import { transition } from './transition.ts';

/** A worker's part in one job: it opens what the job needs once, and works for one view after the other. */
export interface Member {
  readonly jobId: string;
  /** As it is by now. */
  readonly state: MemberState;
  /** The next view; one that is not newer than the last is ignored. */
  view(view: View): void;
  go(generation: number): void;
  hold(hold: Hold): void;
  /** The ledger has all steps up to `step`. */
  acknowledge(step: number): void;
  /** Writes a checkpoint while it waits for a view. */
  save(): void;
  /** Ends the work at the next chance. The first request counts. */
  release(request: ReleaseRequest): void;
  standing(): Standing;
}

/** What {@link startMember} takes. */
export interface StartMemberOptions extends MemberFacts {
  readonly openHost: OpenMemberHost;
}

/**
 * Starts to work for a job: opens what it needs, says `ready`, and takes views until it is released. The shell around `transition`: it
 * gives it one event at a time and has its effects carried out by the host, in order, before the next event.
 */
export function startMember({ openHost, ...facts }: StartMemberOptions): Member {
  const { jobId } = facts;
  const runs = new Map<number, RunHandle>();
  const events: MemberEvent[] = [];
  let state = openingMember(facts);
  let stopServing: (() => void) | undefined;
  /** What a host tells while it is called waits until all effects before it are carried out. */
  let isAtWork = false;

  const dispatch = (event: MemberEvent): void => {
    events.push(event);
    if (!isAtWork) work();
  };
  const work = (): void => {
    isAtWork = true;
    try {
      for (let next = events.shift(); next !== undefined; next = events.shift()) {
        const result = transition(state, next, host.now());
        state = result.state;
        for (const effect of result.effects) carryOut(effect);
        if (next.type === 'runEnded' || next.type === 'runFailed') runs.delete(next.generation);
      }
    } finally {
      isAtWork = false;
    }
  };
  const host = openHost(dispatch);
  const runOf = (generation: number): RunHandle => {
    const run = runs.get(generation);
    assertInternal(run, `there is no run of view ${generation}`);
    return run;
  };

  const carryOut = (effect: MemberEffect): void => {
    switch (effect.type) {
      case 'send':
        return host.send(effect.message);
      case 'tell':
        return host.send({ kind: 'standing', ...effect.told, ...host.holdings() });
      case 'giveUpOpening':
        return host.giveUpOpening(effect.reason);
      case 'run':
        return void runs.set(effect.view.generation, host.run(effect.view));
      case 'start':
        return runOf(effect.generation).start();
      case 'hold':
        return runOf(effect.generation).hold(effect);
      case 'abort':
        return runOf(effect.generation).abort(effect.reason);
      case 'viewOver':
        return host.viewOver(effect);
      case 'serve':
        stopServing = host.serve(effect.view);
        return;
      case 'stopServing':
        stopServing?.();
        return;
      case 'save':
        return host.save();
      case 'leave':
        return host.leaving();
      case 'close':
        return host.close(effect.leaving);
      case 'after':
        return host.after(effect.ms, () => dispatch({ type: 'late', what: effect.what }));
      case 'ended':
        return host.ended();
      case 'closed':
        return host.closed();
    }
  };

  isAtWork = true;
  host.open();
  work();
  return {
    jobId,
    get state() {
      return state;
    },
    view: (view) => dispatch({ type: 'view', view }),
    go: (generation) => dispatch({ type: 'go', generation }),
    hold: (hold) => dispatch({ type: 'hold', hold }),
    acknowledge: (step) => dispatch({ type: 'acknowledge', step }),
    save: () => dispatch({ type: 'save' }),
    release: (request) => dispatch({ type: 'release', request }),
    standing: () => ({ ...toldBy(state), ...host.holdings() }),
  };
}
