import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Collective, openCollective } from '@maestro/collective';
import {
  failureTimeouts,
  type JobSpec,
  parseJobSpec,
  type StateHolder,
  type StepCommitted,
  type View,
  type ViewMember,
} from '@maestro/protocol';
import { type RedisServer, startRedisServer } from '@maestro/redis';
import { createLogger } from '@maestro/telemetry';
import { createFaults } from '../process/faults.ts';
import { openWorkerMetrics } from '../process/workerMetrics.ts';
import type { JobSession } from '../session/jobSession.ts';
import { openJobSession } from '../session/openJobSession.ts';
import type { Phase } from '../step/phase.ts';
import { runView, type ViewRunOptions } from '../view/viewRun.ts';

/** Virtual ranks of the stage's jobs. */
export const VIRTUAL_RANKS = 4;
const SAMPLES = 64;
const SIDE = 8;

/** A member of the stage: everything that a worker opens for a job, in this process. */
export interface StagedMember {
  readonly name: string;
  readonly session: JobSession;
  readonly collective: Collective;
  /** Steps and hashes of the checkpoints that it has written, in order. */
  readonly checkpoints: { readonly step: number; readonly hash: string }[];
  readonly failed: number[];
  readonly warnings: string[];
  /** Drops its connections and all its memory. */
  close(): Promise<void>;
}

/** One member's run of a view. */
export interface StagedRun {
  /** Resolves with how the run ended, or with its error. */
  readonly end: Promise<'finished' | 'held' | Error>;
  readonly formed: Promise<string>;
  readonly reports: StepCommitted[];
  readonly phases: Phase[];
  /** Starts the run once all members have formed. */
  start(): void;
  /** Ends the run after a step. */
  hold(notBefore: number, isSaved?: boolean): void;
  abort(error: Error): void;
}

/** Members of one job with real data, trainers, peers, checkpoints and Redis, without the coordinator: a test forms the views. */
export interface ViewStage {
  readonly spec: JobSpec;
  readonly dataDir: string;
  open(name: string, jobId?: string): Promise<StagedMember>;
  /** Returns a view of these members, which share the virtual ranks evenly. */
  view(
    generation: number,
    members: readonly StagedMember[],
    more?: Partial<Pick<View, 'startStep' | 'restoreFrom'>> & {
      /** Members that hold the state. */
      readonly sources?: readonly StagedMember[];
      /** Members, or other workers, that serve their parts of the state. */
      readonly holders?: readonly StagedMember[];
    },
  ): View;
  run(member: StagedMember, view: View, more?: Partial<ViewRunOptions>): StagedRun;
  /** Runs a view to its end on all its members. */
  runAll(members: readonly StagedMember[], view: View): Promise<readonly ('finished' | 'held' | Error)[]>;
  close(): Promise<void>;
}

/** Options of {@link openViewStage}: job file keys besides those that keep the job small. */
export interface ViewStageOptions {
  readonly steps?: number;
  readonly sync?: object;
  readonly optimizer?: object;
  readonly checkpoint?: object;
}

/** Opens a stage; `close` removes everything. */
export async function openViewStage({ steps = 4, sync, optimizer = {}, checkpoint = {} }: ViewStageOptions = {}): Promise<ViewStage> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-view-'));
  const [path, dataDir, scratchDir] = [join(dir, 'images'), join(dir, 'data'), join(dir, 'scratch')];
  await writeImages(path);
  await mkdir(scratchDir);
  const redis: RedisServer = await startRedisServer({ dir: join(dir, 'redis') });
  const opened = new Set<StagedMember>();
  const spec = parseJobSpec({
    model: {
      preset: 'mae_vit_tiny_patch4',
      imageSize: SIDE,
      channels: 1,
      embedDim: 24,
      depth: 1,
      numHeads: 3,
      decoderEmbedDim: 16,
      decoderDepth: 1,
      decoderNumHeads: 2,
    },
    data: { format: 'idx', path },
    schedule: { steps, microBatch: 2, baseLr: 1e-2, windowSteps: 2 },
    resources: { virtualRanks: VIRTUAL_RANKS, minWorkers: 1 },
    checkpoint: { everySteps: 100, ...checkpoint },
    optimizer,
    ...(sync !== undefined && { sync }),
    seed: 5,
  });
  const timeouts = failureTimeouts(5000);
  const faults = createFaults(undefined);
  const never = new AbortController().signal;

  const stage: ViewStage = {
    spec,
    dataDir,
    async open(name, jobId = 'job-1') {
      const warnings: string[] = [];
      const checkpoints: { readonly step: number; readonly hash: string }[] = [];
      const failed: number[] = [];
      const destination = {
        write(line: string) {
          if (JSON.parse(line).level === 'warn') warnings.push(line);
        },
      };
      const logger = createLogger({ role: 'worker', destination });
      const metrics = openWorkerMetrics();
      const collective = await openCollective({ address: '127.0.0.1:0' });
      const session = await openJobSession({
        jobId,
        spec,
        name,
        coordinator: '',
        redisUrl: redis.url,
        dataDir,
        scratchDir,
        compute: { device: 'cpu', threads: 1, engine: 'auto', cuda: {} },
        collective,
        timeouts,
        isFaultTolerant: false,
        faults,
        metrics,
        onCheckpoint: ({ step, hash }) => void checkpoints.push({ step, hash }),
        onCheckpointFailed: (step) => void failed.push(step),
        onSnapshotLost: () => undefined,
        onStage: () => undefined,
        logger,
        signal: never,
      });
      const member: StagedMember = {
        name,
        session,
        collective,
        checkpoints,
        failed,
        warnings,
        async close() {
          if (!opened.delete(member)) return;
          await session.close();
          await collective.close();
          metrics.close();
        },
      };
      opened.add(member);
      return member;
    },
    view(generation, members, { startStep = 0, restoreFrom = '', sources = [], holders = [] } = {}) {
      const each = VIRTUAL_RANKS / members.length;
      const seats = members.map((member, i): ViewMember => ({ ...refOf(member), firstRank: i * each, ranks: each }));
      return {
        jobId: members[0]!.session.jobId,
        generation,
        members: seats,
        startStep,
        restoreFrom,
        sources: sources.map(({ name }) => name),
        holders: holders.flatMap((member): StateHolder[] =>
          member.session.shards.filter(({ step }) => step === startStep).map((shard) => ({ ...shard, ...refOf(member) })),
        ),
      };
    },
    run(member, view, more = {}) {
      const aborter = new AbortController();
      const reports: StepCommitted[] = [];
      const phases: Phase[] = [];
      let order = { notBefore: Number.POSITIVE_INFINITY, isSaved: false };
      let onFormed: (hash: string) => void = () => undefined;
      let start: () => void = () => undefined;
      const formed = new Promise<string>((resolve) => {
        onFormed = resolve;
      });
      const started = new Promise<void>((resolve) => {
        start = resolve;
      });
      const end = runView({
        session: member.session,
        view,
        self: member.name,
        collective: member.collective,
        timeouts,
        dataDir,
        isFaultTolerant: false,
        faults,
        room: async () => undefined,
        logger: createLogger({ role: 'worker', destination: { write: () => undefined } }),
        before: Promise.resolve(),
        started,
        isHoldWanted: (step) => step + 1 >= order.notBefore,
        isSaveWanted: (step) => order.isSaved && step + 1 >= order.notBefore,
        onJoined: () => undefined,
        onPhase: (_step, phase) => void (phases.at(-1) === phase || phases.push(phase)),
        onRound: () => undefined,
        onFormed,
        onWaiting: () => undefined,
        onApplied: () => undefined,
        onStep: (report) => void reports.push(report),
        onSkipped: () => undefined,
        onCheckpointFailed: (step) => void member.failed.push(step),
        signal: aborter.signal,
        ...more,
      }).catch((error: unknown) => error as Error);
      return {
        end,
        formed,
        reports,
        phases,
        start,
        hold(notBefore, isSaved = false) {
          order = { notBefore, isSaved };
        },
        abort: (error) => aborter.abort(error),
      };
    },
    async runAll(members, view) {
      const runs = members.map((member) => stage.run(member, view));
      for (const { start } of runs) start();
      return Promise.all(runs.map(({ end }) => end));
    },
    async close() {
      for (const member of [...opened]) await member.close();
      await redis.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return stage;
}

function refOf({ name, collective }: StagedMember): { readonly name: string; readonly id: string; readonly address: string } {
  return { name, id: name, address: collective.address! };
}

/**
 * Writes distinct grey images in the IDX format: two zero bytes, 8 for unsigned bytes, the number of dimensions, the dimensions, the data.
 */
async function writeImages(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const dims = [SAMPLES, SIDE, SIDE];
  const head = Buffer.alloc(4 + 4 * dims.length);
  head.writeUInt8(8, 2);
  head.writeUInt8(dims.length, 3);
  for (const [i, dim] of dims.entries()) head.writeUInt32BE(dim, 4 + 4 * i);
  const pixels = Uint8Array.from({ length: SAMPLES * SIDE * SIDE }, (_, i) => (i * 37 + ((i / (SIDE * SIDE)) | 0) * 11) % 256);
  await writeFile(join(dir, 'train-images-idx3-ubyte'), Buffer.concat([head, pixels]));
}
