import {
  type FloatRange,
  maxSegmentFloats,
  openSegments,
  planSegments,
  prefixPlan,
  type SegmentedArenaDescription,
  type SegmentedFloats,
} from '@maestro/kernels';
import { ADAMW_DEFAULTS, type OptimizerSettings, type StateVector, type StepOptions, stateVectors, stepScratch } from '@maestro/optim';
import { type BatchInput, bytesPerSample, type Device, MaestroError } from '@maestro/protocol';
import type { ParameterLayout } from '@maestro/tensors';
import { type DeviceBuild, requireDevice } from '../devices/device.ts';
import type { EngineLogger } from '../engineLogger.ts';
import type { Engine } from '../gradients/engine.ts';
import type { OutputPath } from '../gradients/outputPath.ts';
import type { CudaOptions, ModelSource } from '../session.ts';
import { startComputeThread } from '../threads/computeThread.ts';
import type { OuterOptions } from './outerStep.ts';
import { reserveSnapshot, type SnapshotMemory, touchPages } from './snapshotMemory.ts';
import type { TrainerCalls } from './trainerHost.ts';
import type {
  ApplyResult,
  FlatState,
  MicroBatchInput,
  MicroBatchResult,
  OuterState,
  StateRange,
  TrainerHostOptions,
  TrainerReady,
} from './trainerMessages.ts';

/** How to open a {@link Trainer}. */
export interface TrainerOptions {
  /**
   * Inputs: every parameter by name, every one of `inputs`, and `grad_scale` []. Outputs: a sequence first, `loss` [], `grad.<name>`
   * of the parameters that are trainable.
   */
  readonly trainingModel: ModelSource;
  readonly layout: ParameterLayout;
  /** Default: AdamW as the paper sets it. */
  readonly optimizer?: OptimizerSettings;
  /** What each sample has for the model. */
  readonly inputs: readonly BatchInput[];
  /** More outputs [], sums over the samples of a micro batch. Default: none. */
  readonly sums?: readonly string[];
  /** Most samples in one `forwardBackward`. */
  readonly microBatch: number;
  /** Shared vectors for partial sums: the most maximal complete subtrees that this member's virtual ranks can form. */
  readonly maxPartials: number;
  /** Height of the tree over this member's virtual ranks, ceil(log2(virtual ranks)): decides how many gradients are held. */
  readonly treeDepth: number;
  /**
   * Replicas that train apart, each with parameters and moments of its own, and outer parameters that they are averaged into. Memory is
   * taken for those that are loaded. Default: none, but one set of parameters.
   */
  readonly replicas?: number;
  readonly device?: Device;
  readonly cuda?: CudaOptions;
  /** What runs the graph. Default `auto`: on a CPU onnxruntime-node, elsewhere the C API, which keeps state on the device. */
  readonly engine?: Engine | 'auto';
  /**
   * Whether the `capi` engine keeps parameters, moments and the gradient tree on the device. Default: on any device but `cpu`, with one set
   * of parameters. Moments that are dealt to owners cannot be there.
   */
  readonly isResident?: boolean;
  /** Intra-op threads of ONNX Runtime; part of a job's identity. Default 1. */
  readonly threads?: number;
  readonly logger?: EngineLogger;
  /** Default `auto`: in place when the self-test passes. Both give the same bits. */
  readonly outputPath?: OutputPath | 'auto';
  /** Most float32 elements of a vector in one memory. Default: what 4 GiB allow. Never changes a bit; small values are for tests. */
  readonly segmentFloats?: number;
}

/** Bytes that a trainer holds. Slots and shared vectors take real memory only once they were written. */
export interface TrainerMemory {
  readonly parametersBytes: number;
  readonly momentsBytes: number;
  readonly treeBytes: number;
  readonly sharedBytes: number;
  readonly snapshotBytes: number;
  readonly inputsBytes: number;
}

/** A copy of all state, SharedArrayBuffer-backed; the next `snapshot` writes to the same buffers. */
export interface TrainerSnapshot extends SnapshotMemory {
  readonly step: number;
}

/**
 * Forward, backward and the optimiser's step of one replica, or of several that train apart, in a compute thread of its own. Calls are served one at a
 * time in the order in which they are made; the caller's thread is never blocked.
 */
export interface Trainer {
  /** `maxPartials` shared gradient vectors that `takePartial` writes and the collective reads. */
  readonly partials: readonly SegmentedFloats[];
  /** The shared gradient vector that the collective writes and `apply` reads. */
  readonly reduced: SegmentedFloats;
  /** To open `partials` (`partial0`..) and `reduced` on another thread, by `openSegments`. */
  readonly shared: SegmentedArenaDescription<string>;
  /** How outputs come back now. */
  readonly outputPath: OutputPath;
  /** What runs the graph. */
  readonly engine: Engine;
  /** Whether parameters, moments and the gradient tree are where it computes. */
  readonly isResident: boolean;
  /** What of this machine, beside the runtime, decides bits on the device. */
  readonly deviceBuild: DeviceBuild;
  /**
   * From now on this replica keeps the moments of these elements alone (default: of all), and `apply` changes these alone; `share` and
   * `adopt` bring the parameters of all replicas together again. Moments of other elements are undefined, and take no memory until they are
   * written.
   */
  own(range: FloatRange): Promise<void>;
  /** Copies the own elements of a vector to `reduced`, for the collective to give to others. */
  share(vector: StateVector): Promise<void>;
  /** Copies what the collective has put into `reduced` outside of the own elements to the parameters. */
  adopt(): Promise<void>;
  /** Copies all of `reduced` to `values`, in the compute thread, so that the caller's does not stand still. */
  copyReduced(values: Float32Array): Promise<void>;
  /** Copies a range of a vector to `values`. */
  read(range: StateRange): Promise<void>;
  /** Copies `values` to a range of a vector; `setStep` says which step the whole then makes. */
  write(range: StateRange): Promise<void>;
  /** Says which step the state is of, and clears the tree. */
  setStep(step: number): Promise<void>;
  /**
   * Sets parameters, the own moments (default zero) and step, and clears the tree. SharedArrayBuffer-backed arrays are not copied on the
   * way.
   */
  load(state: FlatState): Promise<void>;
  /** Computes the gradient of one micro batch: it becomes the leaf, or is added to it when `accumulate`. */
  forwardBackward(batch: MicroBatchInput): Promise<MicroBatchResult>;
  /** Pushes the leaf on the stack of subtrees. */
  pushLeaf(): Promise<void>;
  /** Replaces the top two subtrees by their sum, left + right. */
  mergeTop(): Promise<void>;
  /** Pops the top subtree into `partials[index]`. */
  takePartial(index: number): Promise<void>;
  /** Pops the top subtree into `reduced`, where `apply` looks; gives its sum of squares, as an all-reduce would. */
  takeReduced(): Promise<{ readonly sumSquares: number }>;
  /**
   * As `takeReduced`, for a member that has no peers: where state is on a device the gradient stays there for `apply`, `reduced` is not
   * written unless something is not finite, and the sum of squares is good to float32.
   */
  keepReduced(): Promise<{ readonly sumSquares: number }>;
  /** Pushes outer parameters - parameters of a replica, in the place of a gradient. */
  pushDelta(replica: number): Promise<void>;
  /** Drops the leaf and the stack, to begin a step again. */
  clearTree(): Promise<void>;
  /**
   * One step of a replica's optimiser (default 0) on `reduced`. `step` counts from 1 and rises with every call.
   *
   * @throws MaestroError `conflict` when these parameters already have that step.
   */
  apply(options: StepOptions & { readonly replica?: number }): Promise<ApplyResult>;
  /** Sets outer parameters and momentum. */
  loadOuter(state: OuterState): Promise<void>;
  /**
   * One outer step on the sum of deltas in `reduced`; the first `held` replicas go on from the outer parameters, and keep their moments.
   */
  applyOuter(options: OuterOptions & { readonly held: number }): Promise<void>;
  /** Copies the moments of a replica to memory of the caller, which must be SharedArrayBuffer-backed. */
  copyMoments(into: Omit<SnapshotMemory, 'parameters'> & { readonly replica: number }): Promise<void>;
  /** The same of the outer parameters and their momentum. */
  copyOuter(into: Required<OuterState>): Promise<void>;
  /**
   * Takes the memory of snapshots ahead of the first one, in the background and without holding any thread for more than a millisecond.
   * Without it the first snapshot takes many times as long as the next ones. Returns early when the signal is aborted.
   */
  prepareSnapshot(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Copies all state. The compute thread does nothing else meanwhile. */
  snapshot(): Promise<TrainerSnapshot>;
  /** The buffers that `snapshot` writes to, for those who fill them in otherwise: moments that come from other replicas. */
  snapshotBuffers(): SnapshotMemory;
  memory(): TrainerMemory;
  /** Ends the thread and frees its memory. */
  close(): Promise<void>;
}

/**
 * Opens a trainer. Parameters are zero until `load`.
 *
 * @throws MaestroError `device-unavailable` with a diagnosis, or `invalid-argument` when model and layout do not fit.
 */
export async function openTrainer({
  trainingModel,
  layout,
  optimizer = ADAMW_DEFAULTS,
  inputs,
  sums = [],
  microBatch,
  maxPartials,
  treeDepth,
  replicas = 0,
  device = 'cpu',
  cuda,
  engine = 'auto',
  isResident = device !== 'cpu' && replicas === 0,
  threads = 1,
  logger,
  outputPath = 'auto',
  segmentFloats,
}: TrainerOptions): Promise<Trainer> {
  for (const [name, value] of Object.entries({ microBatch, maxPartials, threads })) {
    if (!Number.isInteger(value) || value < 1)
      throw new MaestroError('invalid-argument', `openTrainer: ${name} must be at least 1, found ${value}`);
  }
  const diagnosis = await requireDevice('openTrainer', device);

  const treeSlots = treeDepth + 2;
  const most = Math.min(maxSegmentFloats(3 + treeSlots, stepScratch(optimizer, layout.trainable)), maxSegmentFloats(maxPartials + 1));
  const plan = planSegments({ length: layout.length, tensors: layout.tensors, maxFloats: Math.min(most, segmentFloats ?? most) });
  const partialNames = Array.from({ length: maxPartials }, (_, i) => `partial${i}`);
  const { vectors, description } = openSegments({
    plan: prefixPlan(plan, layout.trainable.length),
    vectors: ['reduced', ...partialNames],
    shared: true,
  });
  const options: TrainerHostOptions = {
    trainingModel,
    layout,
    optimizer,
    plan,
    inputs,
    sums,
    microBatch,
    treeSlots,
    replicas,
    device,
    ...(cuda !== undefined && { cuda }),
    engine,
    isResident: isResident && replicas === 0,
    threads,
    outputPath,
    shared: description,
  };
  const thread = await startComputeThread<TrainerCalls, TrainerReady>({
    name: 'maestro-trainer',
    entry: new URL('./trainerMain.js', import.meta.url),
    options,
  });

  let path = thread.ready.outputPath;
  let kept: SnapshotMemory | undefined;
  let owned = layout.trainable.length;
  const vectorBytes = layout.length * Float32Array.BYTES_PER_ELEMENT;
  const trainableBytes = layout.trainable.length * Float32Array.BYTES_PER_ELEMENT;
  const moments = stateVectors(optimizer).length - 1;
  if (engine === 'capi' && thread.ready.engine === 'node') {
    logger?.warn({ reason: thread.ready.engineReason }, 'onnxruntime-node takes the place of the C API');
  }
  if (path === 'copying') logger?.warn({ reason: thread.ready.outputPathReason }, 'outputs are copied');

  return {
    partials: partialNames.map((name) => vectors[name]!),
    reduced: vectors.reduced!,
    shared: description,
    engine: thread.ready.engine,
    isResident: thread.ready.isResident,
    deviceBuild: diagnosis.build(cuda?.deviceId ?? 0),
    get outputPath() {
      return path;
    },
    load: (state) => thread.call('load', state),
    async own(range) {
      owned = range.length;
      await thread.call('own', range);
    },
    share: (vector) => thread.call('share', vector),
    adopt: () => thread.call('adopt', undefined),
    copyReduced: (values) => thread.call('copyReduced', values),
    read: (range) => thread.call('read', range),
    write: (range) => thread.call('write', range),
    setStep: (step) => thread.call('setStep', step),
    async forwardBackward(batch) {
      const result = await thread.call('forwardBackward', batch);
      if (result.fallback !== undefined) {
        path = 'copying';
        logger?.warn({ reason: result.fallback }, 'outputs are copied');
      }
      return result;
    },
    pushLeaf: () => thread.call('pushLeaf', undefined),
    mergeTop: () => thread.call('mergeTop', undefined),
    takePartial: (index) => thread.call('takePartial', index),
    takeReduced: () => thread.call('takeReduced', undefined),
    keepReduced: () => thread.call('keepReduced', undefined),
    pushDelta: (replica) => thread.call('pushDelta', replica),
    clearTree: () => thread.call('clearTree', undefined),
    apply: (options) => thread.call('apply', options),
    loadOuter: (state) => thread.call('loadOuter', state),
    applyOuter: (outer) => thread.call('applyOuter', outer),
    async copyMoments(into) {
      await thread.call('snapshot', into);
    },
    copyOuter: (into) => thread.call('snapshotOuter', into),
    async prepareSnapshot({ signal } = {}) {
      kept ??= reserveSnapshot(layout, optimizer);
      await touchPages(kept, signal);
    },
    async snapshot() {
      kept ??= reserveSnapshot(layout, optimizer);
      const { step } = await thread.call('snapshot', kept);
      return { ...kept, step };
    },
    snapshotBuffers() {
      kept ??= reserveSnapshot(layout, optimizer);
      return kept;
    },
    memory: () => ({
      parametersBytes: (replicas === 0 ? 1 : replicas + 1) * vectorBytes,
      momentsBytes: replicas === 0 ? moments * owned * Float32Array.BYTES_PER_ELEMENT : (moments * replicas + 1) * trainableBytes,
      treeBytes: treeSlots * trainableBytes,
      sharedBytes: (maxPartials + 1) * trainableBytes,
      snapshotBytes: kept === undefined ? 0 : vectorBytes + moments * trainableBytes,
      inputsBytes: microBatch * bytesPerSample(inputs),
    }),
    close: () => thread.close(),
  };
}
