import {
  type AdamWOptions,
  addFloats,
  copyFloats,
  copyRange,
  type FloatRange,
  openSegments,
  type SegmentedArenaDescription,
  type SegmentedFloats,
  type SegmentPlan,
  sliceParts,
} from '@maestro/kernels';
import { assertInternal, MaestroError } from '@maestro/protocol';
import { type AdamWChunk, adamWChunks, applyAdamW, STAGING_FLOATS } from './applyAdamW.ts';
import type { FlatLayout } from './flatLayout.ts';
import { GradientRun } from './gradientRun.ts';
import type { OutputPath } from './outputPath.ts';
import type { ComputeHost } from './serveCompute.ts';
import type { Device, ModelSource } from './session.ts';

/** What the main thread sends to open the host. */
export interface TrainerHostOptions {
  readonly trainingModel: ModelSource;
  readonly layout: FlatLayout;
  readonly plan: SegmentPlan;
  readonly imageShape: readonly [channels: number, height: number, width: number];
  readonly patches: number;
  readonly microBatch: number;
  readonly treeSlots: number;
  readonly device: Device;
  readonly threads: number;
  readonly outputPath: OutputPath | 'auto';
  /** The shared vectors `reduced` and `partial0..`. */
  readonly shared: SegmentedArenaDescription<string>;
}

/** What the host tells when it is ready. */
export interface TrainerReady {
  readonly outputPath: OutputPath;
  readonly outputPathReason: string;
}

/** One micro batch of `count` samples. */
export interface MicroBatchInput {
  /** [count, C, H, W]. */
  readonly images: Float32Array;
  /** [count, L]. */
  readonly idsShuffle: BigInt64Array;
  readonly count: number;
  /** Weight of the micro batch: 2 / (P * removed * globalSamples). */
  readonly gradScale: number;
  /** Whether the gradient is added to the leaf instead of beginning it. Default false. */
  readonly accumulate?: boolean;
}

/** What a micro batch gave. */
export interface MicroBatchResult {
  /** Its share of the global mean loss; micro-batch losses sum to it. */
  readonly loss: number;
  /** Time in the compute thread. */
  readonly seconds: number;
  /** Set once, when in-place outputs stopped working and copying took over: the reason. */
  readonly fallback?: string;
}

/** The vectors of a training state. */
export type StateVector = 'parameters' | 'firstMoments' | 'secondMoments';

/** A range of a state vector, and an array of just these elements; shared memory, since it crosses threads. */
export interface StateRange {
  readonly vector: StateVector;
  readonly range: FloatRange;
  readonly values: Float32Array;
}

/** Vectors as whole flat arrays of `layout.length` floats. Missing moments are zero. */
export interface FlatState {
  readonly parameters: Float32Array;
  readonly firstMoments?: Float32Array;
  readonly secondMoments?: Float32Array;
  /** Optimizer steps that made these parameters. */
  readonly step: number;
}

/** The calls of the trainer's compute thread; see `Trainer` for what they mean. */
export type TrainerCalls = Awaited<ReturnType<typeof openTrainerHost>>['calls'];

/**
 * The compute thread's side of a trainer: parameters, moments and the gradient tree in memory of its own, which ONNX Runtime
 * reads and writes in place.
 *
 * The tree is a stack of slots: `slots[0 .. depth - 1]` are finished subtrees, `slots[depth]` is the leaf, and the slot above
 * takes a gradient that is to be added to the leaf.
 */
export async function openTrainerHost(options: TrainerHostOptions) {
  const { layout, plan, treeSlots } = options;
  const slotNames = Array.from({ length: treeSlots }, (_, i) => `slot${i}`);
  const { vectors, arenas } = openSegments<string, 'staging'>({
    plan,
    vectors: ['parameters', 'firstMoments', 'secondMoments', ...slotNames],
    scratch: { staging: STAGING_FLOATS },
  });
  const vector = (name: string): SegmentedFloats => {
    const found = vectors[name] ?? shared.vectors[name];
    assertInternal(found, `the trainer has no vector ${name}`);
    return found;
  };
  const shared = openSegments(options.shared);
  const slots = slotNames.map(vector);
  const reduced = vector('reduced');
  const whole: FloatRange = { first: 0, length: layout.length };
  let own = whole;
  let chunks: AdamWChunk[] = adamWChunks(layout, arenas, reduced);
  const run = await GradientRun.open(options, vector('parameters'), slots);

  let depth = 0;
  let hasLeaf = false;
  let lastStep = 0;

  const slotAt = (index: number): SegmentedFloats => {
    assertInternal(
      index >= 0 && index < slots.length,
      `the gradient tree has ${slots.length} slots, slot ${index} was asked; raise treeDepth`,
    );
    return slots[index]!;
  };
  const assertStack = (what: string, height: number) =>
    assertInternal(!hasLeaf && depth >= height, `${what} with ${depth} subtrees on the stack and ${hasLeaf ? 'a' : 'no'} leaf begun`);

  const calls = {
    load({ parameters, firstMoments, secondMoments, step }: FlatState): void {
      const state = Object.entries({ parameters, firstMoments, secondMoments });
      for (const [name, values] of state) {
        if (values !== undefined && values.length !== layout.length) {
          throw new MaestroError('invalid-argument', `load: ${name} has ${values.length} floats, the layout ${layout.length}`);
        }
      }
      copyFloats(vector('parameters'), parameters);
      for (const [name, values] of Object.entries({ firstMoments, secondMoments })) {
        // What others own is not written, so that it takes no memory.
        for (const { start, floats } of sliceParts(vector(name), own.first, own.length)) {
          if (values === undefined) floats.fill(0);
          else floats.set(values.subarray(start, start + floats.length));
        }
      }
      lastStep = step;
      calls.clearTree();
    },

    async forwardBackward({ accumulate = false, ...batch }: MicroBatchInput): Promise<MicroBatchResult> {
      assertInternal(hasLeaf || !accumulate, 'forwardBackward: there is no leaf to accumulate on');
      const started = performance.now();
      const target = accumulate ? depth + 1 : depth;
      slotAt(target);
      const { loss, fallback } = await run.gradient(batch, target);
      if (accumulate) addFloats(slotAt(depth), slotAt(depth + 1));
      hasLeaf = true;
      return { loss, seconds: (performance.now() - started) / 1000, ...(fallback !== undefined && { fallback }) };
    },

    pushLeaf(_: undefined): void {
      assertInternal(hasLeaf, 'pushLeaf: no leaf was begun');
      depth++;
      hasLeaf = false;
    },

    mergeTop(_: undefined): void {
      assertStack('mergeTop', 2);
      depth--;
      addFloats(slotAt(depth - 1), slotAt(depth));
    },

    takePartial(index: number): void {
      assertStack('takePartial', 1);
      copyFloats(vector(`partial${index}`), slotAt(depth - 1));
      depth--;
    },

    clearTree(_?: undefined): void {
      depth = 0;
      hasLeaf = false;
    },

    apply(adamW: AdamWOptions): { readonly seconds: number } {
      if (!(adamW.step > lastStep)) {
        throw new MaestroError('conflict', `apply: step ${adamW.step} is not after step ${lastStep}, which these parameters already have`);
      }
      const started = performance.now();
      applyAdamW(chunks, adamW);
      lastStep = adamW.step;
      return { seconds: (performance.now() - started) / 1000 };
    },

    own(range: FloatRange): void {
      own = range;
      chunks = adamWChunks(layout, arenas, reduced, range);
    },

    share(name: StateVector): void {
      copyRange(reduced, vector(name), own);
    },

    adopt(_: undefined): void {
      const end = own.first + own.length;
      copyRange(vector('parameters'), reduced, { first: 0, length: own.first });
      copyRange(vector('parameters'), reduced, { first: end, length: layout.length - end });
    },

    takeReduced(values: Float32Array): void {
      copyFloats(values, reduced);
    },

    read({ vector: name, range, values }: StateRange): void {
      copyRange(values, vector(name), range);
    },

    write({ vector: name, range, values }: StateRange): void {
      copyRange(vector(name), values, range);
    },

    setStep(step: number): void {
      lastStep = step;
      calls.clearTree();
    },

    snapshot({ parameters, firstMoments, secondMoments }: Required<Omit<FlatState, 'step'>>): { readonly step: number } {
      copyFloats(parameters, vector('parameters'));
      copyFloats(firstMoments, vector('firstMoments'));
      copyFloats(secondMoments, vector('secondMoments'));
      return { step: lastStep };
    },
  };
  return { ready: run.ready, calls } satisfies ComputeHost<unknown, TrainerReady>;
}
