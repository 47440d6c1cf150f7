import {
  blockSumSquares,
  copyFloats,
  copyRange,
  type FloatRange,
  openSegments,
  type SegmentedFloats,
  SUM_SQUARES_BLOCK,
  sliceParts,
} from '@maestro/kernels';
import { OptimizerStep, type StateVector, type StepOptions, stateVectors, stepScratch } from '@maestro/optim';
import { assertInternal, MaestroError } from '@maestro/protocol';
import type { MicroBatchLoss } from '../gradients/gradientRun.ts';
import { openGradients } from '../gradients/openGradients.ts';
import type { ComputeHost } from '../threads/serveCompute.ts';
import { applyOuterStep, type OuterOptions, subtractFloats } from './outerStep.ts';
import type {
  ApplyResult,
  FlatState,
  MicroBatchInput,
  MicroBatchResult,
  OuterState,
  StateRange,
  StateVectors,
  TrainerHostOptions,
  TrainerReady,
} from './trainerMessages.ts';

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
  const { layout, optimizer, plan, treeSlots, replicas } = options;
  const { trainable } = layout;
  const names = stateVectors(optimizer);
  const slotNames = Array.from({ length: treeSlots }, (_, i) => `slot${i}`);
  const scratch = stepScratch(optimizer, trainable);
  /** Vectors in memories of their own; all but parameters are those of what is trainable. */
  const open = (vectors: readonly string[], ranges: Readonly<Record<string, number>> = {}) => {
    const lengths = Object.fromEntries(vectors.map((name) => [name, /parameters$/i.test(name) ? layout.length : trainable.length]));
    return openSegments<string, string>({ plan, vectors, lengths, scratch: ranges });
  };
  const { vectors, arenas } = open([...names, ...slotNames], scratch);
  // Each further replica has memories of its own, so that segments need not become small where there are many.
  const others = Array.from({ length: Math.max(0, replicas - 1) }, () => open(names, scratch));
  const outer = replicas === 0 ? undefined : open(['outerParameters', 'outerMomentum']);
  const vector = (name: string): SegmentedFloats => {
    const found = vectors[name] ?? shared.vectors[name] ?? outer?.vectors[name];
    assertInternal(found, `the trainer has no vector ${name}`);
    return found;
  };
  const shared = openSegments(options.shared);
  const slots = slotNames.map(vector);
  const stepOver = (own: typeof arenas, range?: FloatRange): OptimizerStep =>
    new OptimizerStep({
      settings: optimizer,
      layout: trainable,
      arenas: own,
      gradient: shared.vectors['reduced']!,
      ...(range && { range }),
    });
  const states = [{ vectors, arenas }, ...others].map((own) => ({
    vectors: Object.fromEntries(names.map((name) => [name, own.vectors[name]!])) as unknown as StateVectors,
    optimizer: stepOver(own.arenas),
    lastStep: 0,
  }));
  const blocks = new Float64Array(Math.ceil(trainable.length / SUM_SQUARES_BLOCK));
  const [first] = states as [(typeof states)[number]];
  const reduced = vector('reduced');
  const {
    slots: gradients,
    device,
    ready,
  } = await openGradients(options, { states: states.map((state) => state.vectors), slots, reduced });
  let own: FloatRange = { first: 0, length: trainable.length };

  let depth = 0;
  let hasLeaf = false;
  /** Where the gradient lies that `apply` takes, when it is not in `reduced`. */
  let kept: number | undefined;

  const stateOf = (replica: number) => {
    const state = states[replica];
    assertInternal(state, `the trainer has ${states.length} replicas, replica ${replica} was asked`);
    return state;
  };
  const slotAt = (index: number): number => {
    assertInternal(
      index >= 0 && index < slots.length,
      `the gradient tree has ${slots.length} slots, slot ${index} was asked; raise treeDepth`,
    );
    return index;
  };
  const assertStack = (what: string, height: number) =>
    assertInternal(!hasLeaf && depth >= height, `${what} with ${depth} subtrees on the stack and ${hasLeaf ? 'a' : 'no'} leaf begun`);

  const takeInto = (name: string): void => {
    gradients.take(slotAt(depth - 1), vector(name), name);
    depth--;
  };

  const sumSquaresOfReduced = (): number => {
    blockSumSquares(reduced, 0, trainable.length, blocks);
    return blocks.reduce((sum, block) => sum + block, 0);
  };

  /** Sets vectors; those without values become zero. */
  const fill = (values: Readonly<Record<string, Float32Array | undefined>>, targets: Readonly<Record<string, SegmentedFloats>>): void => {
    for (const [name, given] of Object.entries(values)) {
      const length = targets[name]?.length ?? 0;
      if (given !== undefined && given.length !== length) {
        throw new MaestroError('invalid-argument', `load: ${name} has ${given.length} floats, the layout ${length}`);
      }
    }
    for (const [name, target] of Object.entries(targets)) {
      const given = values[name];
      // Moments that others own are not written, so that they take no memory.
      const range = name.endsWith('Moments') ? own : { first: 0, length: target.length };
      for (const { start, floats } of sliceParts(target, range.first, range.length)) {
        if (given === undefined) floats.fill(0);
        else floats.set(given.subarray(start, start + floats.length));
      }
    }
  };

  const calls = {
    load({ parameters, firstMoments, secondMoments, step, replica = 0 }: FlatState): void {
      const state = stateOf(replica);
      fill({ parameters, firstMoments, secondMoments }, state.vectors);
      for (const name of names) device?.wroteHost(name);
      state.lastStep = step;
      calls.clearTree();
    },

    loadOuter({ parameters, momentum }: OuterState): void {
      fill({ parameters, momentum }, { parameters: vector('outerParameters'), momentum: vector('outerMomentum') });
    },

    async forwardBackward({ accumulate = false, ...batch }: MicroBatchInput): Promise<MicroBatchResult> {
      assertInternal(hasLeaf || !accumulate, 'forwardBackward: there is no leaf to accumulate on');
      assertInternal(kept === undefined, 'forwardBackward: a gradient is kept for apply');
      const started = performance.now();
      const slot = slotAt(accumulate ? depth + 1 : depth);
      // A batch of which no image could be read, or a virtual rank's part of a last step that has fewer images than ranks, adds nothing.
      if (batch.count === 0) gradients.clear(slot);
      const nothing: MicroBatchLoss = { loss: 0, sums: options.sums.map(() => 0) };
      const { loss, sums, fallback, sendSeconds } = batch.count === 0 ? nothing : await gradients.gradient(batch, slot);
      if (accumulate) gradients.add(slotAt(depth), slot);
      hasLeaf = true;
      return {
        loss,
        sums,
        seconds: (performance.now() - started) / 1000,
        ...(sendSeconds !== undefined && { sendSeconds }),
        ...(fallback !== undefined && { fallback }),
      };
    },

    pushLeaf(_: undefined): void {
      assertInternal(hasLeaf, 'pushLeaf: no leaf was begun');
      depth++;
      hasLeaf = false;
    },

    mergeTop(_: undefined): void {
      assertStack('mergeTop', 2);
      depth--;
      gradients.add(slotAt(depth - 1), slotAt(depth));
    },

    takePartial(index: number): void {
      assertStack('takePartial', 1);
      takeInto(`partial${index}`);
    },

    takeReduced(_?: undefined): { readonly sumSquares: number } {
      assertStack('takeReduced', 1);
      takeInto('reduced');
      return { sumSquares: sumSquaresOfReduced() };
    },

    keepReduced(_?: undefined): { readonly sumSquares: number } {
      assertStack('keepReduced', 1);
      if (device === undefined) return calls.takeReduced();
      const slot = slotAt(depth - 1);
      const sumSquares = device.sumSquares(slot);
      // float32 overflows where float64 does not, and whoever names what is not finite looks at `reduced`.
      if (!Number.isFinite(sumSquares)) return calls.takeReduced();
      kept = slot;
      depth--;
      return { sumSquares };
    },

    pushDelta(replica: number): void {
      assertInternal(!hasLeaf, 'pushDelta: a leaf was begun');
      subtractFloats(slots[slotAt(depth)]!, vector('outerParameters'), stateOf(replica).vectors.parameters);
      depth++;
    },

    clearTree(_?: undefined): void {
      depth = 0;
      hasLeaf = false;
      kept = undefined;
    },

    apply({ replica = 0, ...options }: StepOptions & { readonly replica?: number }): ApplyResult {
      const state = stateOf(replica);
      const { lastStep } = state;
      if (!(options.step > lastStep)) {
        throw new MaestroError(
          'conflict',
          `apply: step ${options.step} is not after step ${lastStep}, which these parameters already have`,
        );
      }
      const started = performance.now();
      const sendSeconds = device?.apply(options, kept) ?? 0;
      if (device === undefined) state.optimizer.apply(options);
      kept = undefined;
      state.lastStep = options.step;
      return { seconds: (performance.now() - started) / 1000, sendSeconds };
    },

    own(range: FloatRange): void {
      assertInternal(device === undefined || range.length === trainable.length, 'own: state on a device is not dealt to owners');
      own = range;
      first.optimizer = stepOver(arenas, range);
    },

    share(name: StateVector): void {
      device?.toHost(name);
      copyRange(reduced, vector(name), own);
    },

    adopt(_: undefined): void {
      const end = own.first + own.length;
      copyRange(vector('parameters'), reduced, { first: 0, length: own.first });
      copyRange(vector('parameters'), reduced, { first: end, length: trainable.length - end });
    },

    copyReduced(values: Float32Array): void {
      copyFloats(values, reduced);
    },

    read({ vector: name, range, values }: StateRange): void {
      device?.toHost(name);
      copyRange(values, vector(name), range);
    },

    write({ vector: name, range, values }: StateRange): void {
      device?.toHost(name);
      copyRange(vector(name), values, range);
      device?.wroteHost(name);
    },

    setStep(step: number): void {
      first.lastStep = step;
      calls.clearTree();
    },

    applyOuter({ held, ...outer }: OuterOptions & { readonly held: number }): void {
      const parameters = vector('outerParameters');
      applyOuterStep({ parameters, momentum: vector('outerMomentum'), deltas: vector('reduced') }, outer);
      for (let replica = 0; replica < held; replica++) copyFloats(stateOf(replica).vectors.parameters, parameters);
    },

    snapshot({ replica = 0, ...into }: Partial<Omit<FlatState, 'step'>>): { readonly step: number } {
      const { vectors: held, lastStep } = stateOf(replica);
      for (const name of names) {
        if (into[name] === undefined) continue;
        device?.toHost(name);
        copyFloats(into[name], held[name]!);
      }
      return { step: lastStep };
    },

    snapshotOuter(into: Required<OuterState>): void {
      copyFloats(into.parameters, vector('outerParameters'));
      copyFloats(into.momentum, vector('outerMomentum'));
    },
  };
  return { ready: ready(), calls, close: () => gradients.close() } satisfies ComputeHost<unknown, TrainerReady>;
}
