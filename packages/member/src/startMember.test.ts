import { expect, test } from '@jest/globals';
import { type ErrorCode, MaestroError, type StepCommitted, type View, type WorkerMessage } from '@maestro/protocol';
import fc from 'fast-check';
import type { HostEvent } from './memberState.ts';
import { type Member, startMember } from './startMember.ts';

const SELF = 'a:1';
/** The second of each pair decides the details of what the first one chooses. */
type Draw = readonly [number, number];

/** A run in the host, as it is known to the host. */
interface Run {
  readonly view: View;
  isFormed: boolean;
  isStarted: boolean;
  isAborted: boolean;
  isChanging: boolean;
  isOver: boolean;
  isEnded: boolean;
  reason: MaestroError | undefined;
}

/**
 * A member on a host that does anything that a host may do, in any order, and checks what it is asked for. Nothing takes time but what is
 * chosen to end, and time passes when it is chosen to.
 */
function stage() {
  const log: string[] = [];
  const problems: string[] = [];
  const runs: Run[] = [];
  const answers: { readonly what: string; readonly give: (detail: number) => void }[] = [];
  const timers: (() => void)[] = [];
  let tell: (event: HostEvent) => void = () => undefined;
  let step = -1;
  let isOpen = false;
  let [isLeft, isEnded, isClosed, isClosing, isServing] = [false, false, false, false, false];
  let toldGeneration = 0;
  let isLateAllowed = false;
  const answered = new Set<number>();
  const must = (condition: boolean, problem: string): void => {
    if (!condition) problems.push(problem);
  };
  const asked = (what: string): void => {
    log.push(what);
    must(!isClosed, `${what} after it was closed`);
  };
  const answer = (what: string, give: (detail: number) => void): void => void answers.push({ what, give });

  const send = (message: WorkerMessage): void => {
    asked(`send ${message.kind}`);
    must(!isLeft || message.kind === 'checkpoint' || message.kind === 'checkpointFailed', `${message.kind} after it has left`);
    const newest = runs.at(-1);
    if (message.kind === 'standing') {
      const { generation, status } = message;
      must(generation >= toldGeneration, `tells of view ${generation} after view ${toldGeneration}`);
      toldGeneration = generation;
      if (status === 'held' || status === 'finished') answered.add(generation);
      if (status === 'formed' || status === 'working') {
        must(
          newest!.view.generation === generation && newest!.isFormed && !newest!.isOver,
          `tells that it has ${status} view ${generation}`,
        );
      }
    }
    if (message.kind === 'committed') must(message.generation === newest?.view.generation, `commits for view ${message.generation}`);
    if (message.kind === 'left') {
      must(!isLeft, 'leaves twice');
      isLeft = true;
    }
  };

  const member: Member = startMember({
    jobId: 'job-1',
    self: SELF,
    isFaultTolerant: true,
    leaveMs: 1000,
    openHost: (dispatch) => {
      tell = dispatch;
      return {
        send,
        after: (_ms, action) => void timers.push(action),
        now: () => ({ step, canSave: isOpen && step >= 0, isChanging: runs.some((run) => run.isChanging && !run.isEnded) }),
        holdings: () => ({ step, datasetLength: 8, identityJson: '', shards: [], stateLength: 8, results: {} }),
        open() {
          asked('open');
          answer('open', (detail) => {
            isOpen = detail % 4 !== 0;
            tell(isOpen ? { type: 'opened' } : { type: 'openFailed', error: new MaestroError('data-invalid', 'no data') });
          });
        },
        giveUpOpening: () => asked('give up opening'),
        run(view) {
          asked(`run ${view.generation}`);
          const { generation, members } = view;
          must(isOpen && !isClosing, `runs view ${generation} without a session`);
          must(
            runs.every((run) => run.isOver),
            `runs view ${generation} while another is under way`,
          );
          must(generation > (runs.at(-1)?.view.generation ?? 0), `runs view ${generation} after a newer one`);
          must(!isServing, `runs view ${generation} and serves another`);
          must(
            members.some(({ id }) => id === SELF),
            `runs view ${generation} of others`,
          );
          const run: Run = {
            view,
            isFormed: false,
            isStarted: false,
            isAborted: false,
            isChanging: false,
            isOver: false,
            isEnded: false,
            reason: undefined,
          };
          runs.push(run);
          return {
            start() {
              asked(`start ${generation}`);
              must(run.isFormed && !run.isStarted && !run.isAborted && !run.isOver, `starts view ${generation}`);
              run.isStarted = true;
            },
            hold: () => must(!run.isOver, `holds view ${generation}, which is over`),
            abort(reason) {
              asked(`abort ${generation}`);
              must(!run.isAborted || reason.code === 'non-finite', `aborts view ${generation} twice`);
              run.isAborted = true;
              run.reason = reason;
              // What was broken by an error of its own is over without a word.
              if (reason.code === 'non-finite') run.isOver = true;
            },
          };
        },
        viewOver({ view, status }) {
          asked(`over ${view.generation} ${status}`);
          const run = runs.at(-1)!;
          must(run.view === view && !run.isOver, `view ${view.generation} is over twice, or late`);
          must(
            run.isEnded || (run.isAborted && (!run.isChanging || isLateAllowed)),
            `view ${view.generation} is over while it changes the state`,
          );
          run.isOver = true;
        },
        serve(view) {
          asked(`serve ${view.generation}`);
          must(runs.every((run) => run.isOver) && !isServing && isOpen, `serves view ${view.generation} while at work`);
          isServing = true;
          return () => {
            must(isServing, 'stops to serve twice');
            isServing = false;
          };
        },
        save() {
          asked('save');
          must(isOpen && !isClosing && step >= 0, 'saves nothing');
          answer('save', (detail) => tell(detail % 2 === 0 ? { type: 'saved' } : { type: 'saveFailed', step, message: 'full' }));
        },
        leaving() {
          asked('leaving');
          must(
            runs.every((run) => run.isOver),
            'leaves while it works for a view',
          );
        },
        close() {
          asked('close');
          must(!isClosing && !isServing, 'closes twice, or while it serves');
          isClosing = true;
          answer('close', () => tell({ type: 'closed' }));
        },
        ended() {
          asked('ended');
          must(isLeft && !isEnded, 'ends without a word, or twice');
          isEnded = true;
        },
        closed() {
          asked('closed');
          must(isEnded && !isClosed && answers.length === 0, 'is closed too early, or twice');
          must(
            runs.every((run) => run.isEnded),
            'is closed while a run is under way',
          );
          isClosed = true;
        },
      };
    },
  });

  const report = ({ view: { generation } }: Run): StepCommitted => {
    const zero = { metrics: {}, images: 0, stepSeconds: 0, ranks: [] };
    return { jobId: 'job-1', generation, step: ++step, ...zero };
  };
  const end = (run: Run, detail: number): void => {
    run.isEnded = true;
    run.isChanging = false;
    const { generation } = run.view;
    const codes: ErrorCode[] = ['peer-lost', 'timeout', 'redis-unavailable', 'non-finite'];
    const ownError = new MaestroError(codes[detail % codes.length]!, 'it broke');
    if (run.isAborted) tell({ type: 'runFailed', generation, error: detail % 5 === 0 ? ownError : run.reason! });
    else if (run.isStarted && detail % 3 === 0) tell({ type: 'runEnded', generation, outcome: detail % 2 === 0 ? 'held' : 'finished' });
    else tell({ type: 'runFailed', generation, error: ownError });
  };
  const viewOf = (generation: number, detail: number): View => {
    const names = detail % 7 === 0 ? ['b', 'c'] : detail % 2 === 0 ? ['a', 'b'] : ['b', 'a'];
    const members = names.map((name, rank) => ({ name, id: `${name}:1`, address: '', firstRank: rank, ranks: 1 }));
    return { jobId: 'job-1', generation, members, startStep: Math.max(0, step), restoreFrom: '', sources: [], holders: [] };
  };
  const newest = (): number => Math.max(member.state.generation, member.state.next?.generation ?? 0);

  /** What may happen now, but for the passing of time. */
  const actions = (): ((detail: number) => void)[] => {
    const underWay = runs.filter((run) => !run.isEnded);
    return [
      (detail) => member.view(viewOf(newest() + (detail % 3) - (detail % 5 === 0 ? 1 : 0) + 1, detail)),
      (detail) => member.go(newest() - (detail % 4 === 0 ? 1 : 0)),
      (detail) =>
        member.hold({
          jobId: 'job-1',
          generation: newest() - (detail % 4 === 0 ? 1 : 0),
          isAbort: detail % 2 === 0,
          notBefore: 0,
          writeCheckpoint: detail % 3 === 0,
          reason: 'so',
        }),
      (detail) => member.acknowledge(detail % 10),
      () => member.save(),
      (detail) => {
        if (detail % 4 === 0) member.release({ reason: 'so', writeCheckpoint: detail % 8 === 0 });
      },
      () => tell({ type: 'checkpoint', step: Math.max(0, step), path: '/c', hash: 'h' }),
      () => isOpen && tell({ type: 'snapshotLost' }),
      ...answers.map((each) => (detail: number) => {
        answers.splice(answers.indexOf(each), 1);
        each.give(detail);
      }),
      ...underWay.map((run) => (detail: number) => end(run, detail)),
      // Twice, so that runs come far.
      ...[...underWay, ...underWay].map((run) => (detail: number) => {
        if (run.isStarted) {
          if (detail % 2 === 0) run.isChanging = !run.isChanging;
          if (!run.isChanging) tell({ type: detail % 8 === 0 ? 'applied' : 'committed', report: report(run) });
        } else {
          step = Math.max(step, 0);
          run.isFormed ||= run === runs.at(-1) && !run.isAborted;
          tell({ type: 'formed', generation: run.view.generation, stateHash: 'h' });
        }
      }),
    ];
  };
  return {
    member,
    log,
    problems,
    play(draws: readonly Draw[]) {
      for (const [choice, detail] of draws) {
        const all = actions();
        all[choice % all.length]!(detail);
      }
    },
    /** Time passes: nothing else does. */
    pass() {
      isLateAllowed = true;
      for (let next = timers.shift(); next !== undefined; next = timers.shift()) next();
    },
    /** Everything that is under way comes to its end. */
    settle() {
      for (let i = 0; i < 1000; i++) {
        const run = runs.find((each) => !each.isEnded);
        const next = answers.shift();
        if (run !== undefined) end(run, 1);
        else if (next === undefined) return;
        next?.give(2);
      }
    },
    check() {
      for (const { view } of runs) {
        const isLast = view === runs.at(-1)!.view;
        must(answered.has(view.generation) || (isLast && isLeft), `view ${view.generation} was never answered`);
      }
      expect({ problems, log: problems.length > 0 ? log : [] }).toEqual({ problems: [], log: [] });
    },
    is: () => ({ isLeft, isEnded, isClosed }),
  };
}

const draws = fc.array(fc.tuple(fc.nat(9999), fc.nat(9999)), { maxLength: 80, size: 'max' });

test('whatever happens in whatever order, a member works for one view at a time, answers each, and leaves when released', () => {
  fc.assert(
    fc.property(draws, (all) => {
      const { member, play, settle, check, is } = stage();
      play(all);
      member.release({ reason: 'the end', writeCheckpoint: false });
      settle();
      expect(is()).toEqual({ isLeft: true, isEnded: true, isClosed: true });
      check();
    }),
    { numRuns: 1000 },
  );
});

test('a member released without a checkpoint leaves in bounded time, whatever hangs, and is closed once all has ended', () => {
  fc.assert(
    fc.property(draws, (all) => {
      const { member, play, pass, settle, check, is } = stage();
      play(all);
      member.release({ reason: 'the end', writeCheckpoint: false });
      if (member.state.release?.writeCheckpoint === false || member.state.fault !== undefined) {
        pass();
        expect(is()).toMatchObject({ isLeft: true, isEnded: true });
      }
      settle();
      expect(is()).toEqual({ isLeft: true, isEnded: true, isClosed: true });
      check();
    }),
    { numRuns: 1000 },
  );
});
