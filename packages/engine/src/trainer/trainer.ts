import { maxSegmentFloats, openSegments, planSegments, prefixPlan } from '@maestro/kernels';
import { ADAMW_DEFAULTS, type OptimizerSettings, stateVectors, stepScratch } from '@maestro/optim';
import { type BatchInput, bytesPerSample, type Device, MaestroError } from '@maestro/protocol';
import type { ParameterLayout } from '@maestro/tensors';
import { type DeviceBuild, requireDevice } from '../devices/device.ts';
import type { EngineLogger } from '../engineLogger.ts';
import type { Engine } from '../gradients/engine.ts';
import type { OutputPath } from '../gradients/outputPath.ts';
import type { CudaOptions, ModelSource } from '../session.ts';
import { startComputeThread } from '../threads/computeThread.ts';
import { type GradientTree, gradientTreeOf } from './gradientTree.ts';
import { type OptimizerAccess, optimizerAccessOf } from './optimizerAccess.ts';
import { type OuterAccess, outerAccessOf } from './outerAccess.ts';
import { reserveSnapshot, type SnapshotMemory } from './snapshotMemory.ts';
import { type StateAccess, stateAccessOf } from './stateAccess.ts';
import type { TrainerCalls } from './trainerHost.ts';
import type { TrainerHostOptions, TrainerReady, TrainingStage } from './trainerMessages.ts';

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
  /**
   * The training model in stages too, so that parts of a gradient can leave while others are computed. Only the `capi` engine runs them;
   * others run the whole model in place of the first. Default: none.
   */
  readonly stages?: readonly TrainingStage[];
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
  /**
   * What runs the graph. Default `auto`: on a CPU onnxruntime-node, or the C API for a model with stages; elsewhere the C API, which keeps
   * state on the device.
   */
  readonly engine?: Engine | 'auto';
  /**
   * Whether the `capi` engine keeps parameters, moments and the gradient tree on the device. Default: on any device but `cpu`, with one set
   * of parameters. Moments that are dealt to owners cannot be there.
   */
  readonly isResident?: boolean;
  /** Path of the library of native operators, for a model that has such. It takes the `capi` engine. Default: none. */
  readonly operators?: string;
  /**
   * Path of the native library: its loops add gradients, sum their squares and take the optimiser's steps, by `threads` threads. Never
   * changes a bit. Default: WebAssembly, by one thread.
   */
  readonly library?: string | undefined;
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

/**
 * Forward, backward and the optimiser's step of one replica, or of several that train apart, in a compute thread of its own. Whoever needs
 * a part of it takes that part. Calls are served one at a time in the order in which they are made; the caller's thread is never blocked.
 */
export interface Trainer extends GradientTree, StateAccess, OptimizerAccess, OuterAccess {
  /** What runs the graph. */
  readonly engine: Engine;
  /** Whether parameters, moments and the gradient tree are where it computes. */
  readonly isResident: boolean;
  /** What of this machine, beside the runtime, decides bits on the device. */
  readonly deviceBuild: DeviceBuild;
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
  stages = [],
  microBatch,
  maxPartials,
  treeDepth,
  replicas = 0,
  device = 'cpu',
  cuda,
  engine = 'auto',
  isResident = device !== 'cpu' && replicas === 0,
  threads = 1,
  operators,
  library,
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
    stages,
    replicas,
    device,
    ...(cuda !== undefined && { cuda }),
    engine,
    isResident: isResident && replicas === 0,
    threads,
    ...(operators !== undefined && { operators }),
    ...(library !== undefined && { library }),
    outputPath,
    shared: description,
  };
  const thread = await startComputeThread<TrainerCalls, TrainerReady>({
    name: 'maestro-trainer',
    entry: new URL('./trainerMain.js', import.meta.url),
    options,
  });

  let kept: SnapshotMemory | undefined;
  let owned = layout.trainable.length;
  const vectorBytes = layout.length * Float32Array.BYTES_PER_ELEMENT;
  const trainableBytes = layout.trainable.length * Float32Array.BYTES_PER_ELEMENT;
  const moments = stateVectors(optimizer).length - 1;
  if (engine === 'capi' && thread.ready.engine === 'node') {
    logger?.warn({ reason: thread.ready.engineReason }, 'onnxruntime-node takes the place of the C API');
  }
  const partials = partialNames.map((name) => vectors[name]!);
  const tree = gradientTreeOf(thread, { partials, reduced: vectors.reduced!, shared: description }, logger);
  const state = stateAccessOf(thread, () => {
    kept ??= reserveSnapshot(layout, optimizer);
    return kept;
  });

  return {
    ...tree,
    get outputPath() {
      return tree.outputPath;
    },
    ...state,
    ...optimizerAccessOf(thread),
    ...outerAccessOf(thread),
    engine: thread.ready.engine,
    isResident: thread.ready.isResident,
    deviceBuild: diagnosis.build(cuda?.deviceId ?? 0),
    async own(range) {
      owned = range.length;
      await state.own(range);
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
