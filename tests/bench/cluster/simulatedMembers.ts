import '@maestro/recipes';
import { type OpenMemberHost, startMember } from '@maestro/member';
import { type Heartbeat, parseJobSpec, type StepCommitted, type View } from '@maestro/protocol';
import { endWithParent } from '@maestro/telemetry';
import { attachWorker, type SimulatedWorker } from './simulatedWorker.ts';

/** Steps that the first member of a view reports before the ledger has the first of them. */
const MOST_AHEAD = 4000;
/** Reports between two turns of the event loop, so that heartbeats go out. */
const PER_TURN = 8;
/** Samples of the data set that members say they have: its epoch never ends. */
const SAMPLES = 1_000_000_000;

/**
 * `node simulatedMembers.js COORDINATOR FIRST COUNT`: this many workers that take part in jobs by the decisions of real ones
 * (`@maestro/member`), without data, model or peers: a step takes no time. Each has its own connection. Notifies its parent when all are
 * welcome, and of each second's steps in the ledger.
 */
const [coordinator, first, count] = process.argv.slice(2) as [string, string, string];
endWithParent();
let welcome = 0;

for (let index = 0; index < Number(count); index++) simulateWorker(`simulated-${String(Number(first) + index).padStart(4, '0')}`);

function simulateWorker(name: string): void {
  let member: ReturnType<typeof openMember> | undefined;
  const beat: Heartbeat = { jobId: '', generation: 0, step: 0, phase: '', phaseSeconds: 0, waitingFor: '', rankSeconds: 0 };
  attachWorker({
    coordinator,
    name,
    onMessage(message, worker) {
      switch (message.kind) {
        case 'welcome':
          setInterval(() => worker.send({ kind: 'heartbeat', ...beat, ...member?.heartbeat() }), message.heartbeatMs);
          if (++welcome === Number(count)) process.send?.('welcome');
          return;
        case 'prepare':
          member ??= openMember(worker, message.jobId, message.specJson);
          return;
        case 'view':
          return member?.view(message);
        case 'go':
          return member?.go(message.generation);
        case 'hold':
          return member?.hold(message);
        case 'acknowledge':
          return member?.acknowledge(message.step);
        case 'release':
          return member?.release(message);
      }
    },
  });
}

/** Starts to work for a job; a worker of this bench works for one. */
function openMember({ id: self, send }: SimulatedWorker, jobId: string, specJson: string) {
  const { schedule, resources } = parseJobSpec(JSON.parse(specJson));
  const ranks = Array.from({ length: resources.virtualRanks }, () => ({ images: schedule.microBatch, digest: 1, content: 1 }));
  let state = -1;
  let acknowledged = 0;
  let advance: () => void = () => undefined;

  const openHost: OpenMemberHost = (tell) => ({
    send,
    after: (ms, action) => void setTimeout(action, ms),
    now: () => ({ step: state, canSave: false, isChanging: false }),
    holdings: () => ({ step: state, datasetLength: SAMPLES, identityJson: '{}', shards: [], stateLength: 1, results: {} }),
    open: () => tell({ type: 'opened' }),
    giveUpOpening: () => undefined,
    run(view: View) {
      const { generation, members, startStep } = view;
      const isFirst = members[0]!.id === self;
      let step = startStep;
      let isOver = false;
      state = startStep;
      tell({ type: 'formed', generation, stateHash: 'a'.repeat(64) });
      const end = (finish: () => void): void => {
        if (isOver) return;
        isOver = true;
        advance = () => undefined;
        finish();
      };
      let hasTurn = false;
      const report = (): void => {
        if (hasTurn) return;
        for (let count = 0; count < PER_TURN && !isOver && step < schedule.steps! && step - acknowledged < MOST_AHEAD; count++) {
          step++;
          state = step;
          const images = ranks.length * schedule.microBatch;
          const committed: StepCommitted = { jobId, generation, step, metrics: { loss: 1 }, images, stepSeconds: 0.001, ranks };
          tell({ type: 'committed', report: committed });
        }
        if (isOver || step - acknowledged >= MOST_AHEAD) return;
        hasTurn = true;
        setImmediate(() => {
          hasTurn = false;
          report();
        });
      };
      return {
        start() {
          if (!isFirst) return;
          advance = report;
          setImmediate(report);
        },
        hold: () => end(() => tell({ type: 'runEnded', generation, outcome: 'held' })),
        abort: (error) => end(() => tell({ type: 'runFailed', generation, error })),
      };
    },
    viewOver: () => undefined,
    serve: () => () => undefined,
    save: () => tell({ type: 'saved' }),
    leaving: () => undefined,
    close: () => tell({ type: 'closed' }),
    ended: () => undefined,
    closed: () => undefined,
  });
  const member = startMember({ jobId, self, isFaultTolerant: true, leaveMs: 5000, openHost });
  return {
    ...member,
    acknowledge(step: number) {
      acknowledged = Math.max(acknowledged, step);
      member.acknowledge(step);
      advance();
    },
    heartbeat: (): Heartbeat => ({
      jobId,
      generation: member.state.generation,
      step: Math.max(0, state),
      phase: 'forward',
      phaseSeconds: 0,
      waitingFor: '',
      rankSeconds: 0.001,
    }),
  };
}
