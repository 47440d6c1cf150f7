import { type Arena, type FloatRange, type SegmentedFloats, sumLanes } from '@maestro/kernels';
import type { FlatLayout, FlatTensor } from '@maestro/tensors';
import { NUMBERS } from './arithmetic.ts';
import { isAdapted, stepGroups } from './parameterGroups.ts';
import { ruleOf } from './ruleOf.ts';
import type { OptimizerSettings } from './section.ts';
import { openUpdateKernels, type UpdateElements } from './updateKernels.ts';

/** Gradient elements that are copied in at a time: 256 KiB, so that the kernel finds them in the cache. */
const STAGING_FLOATS = 65_536;
/** Room for the scalars of one tensor or group: more than any rule has. */
const SCALAR_FLOATS = 16;

/** The vectors that a step changes. */
export type StateVector = 'parameters' | 'firstMoments' | 'secondMoments';

/** What changes from step to step. */
export interface StepOptions {
  readonly lr: number;
  /** Counts from 1. */
  readonly step: number;
  /** Multiplies the gradient first (for clipping). Default 1. */
  readonly gradScale?: number;
}

/** What an {@link OptimizerStep} works on. */
export interface OptimizerStepOptions {
  readonly settings: OptimizerSettings;
  /** The trainable parameters. */
  readonly layout: FlatLayout;
  /** The state, segment by segment, with the ranges of {@link stepScratch}. */
  readonly arenas: readonly Arena<string>[];
  /** The reduced gradient, cut into segments like `arenas`; in any memory. */
  readonly gradient: SegmentedFloats;
  /** Elements to change. Default: all. */
  readonly range?: FloatRange;
}

/** The state vectors of an optimiser, in the order that they have on the wire and on disk. */
export function stateVectors(settings: OptimizerSettings): readonly StateVector[] {
  return (['parameters', 'firstMoments', 'secondMoments'] as const).slice(0, 1 + ruleOf(settings).moments.length);
}

/** Ranges that the memories of the state need beside it: names to floats. */
export function stepScratch(settings: OptimizerSettings, layout: FlatLayout): Readonly<Record<'staging' | 'scalars', number>> {
  return { staging: STAGING_FLOATS, scalars: SCALAR_FLOATS * scalarSets(settings, layout) };
}

/** A piece of one tensor with everything that its step touches, made once. */
interface Piece {
  readonly arena: Arena<string>;
  readonly update: UpdateElements;
  readonly tensor: FlatTensor;
  /** The piece of the reduced gradient. */
  readonly gradient: Float32Array;
  /** Where it is copied to. */
  readonly staging: Float32Array;
  readonly values: Float32Array;
  /** Byte offsets in the arena's memory. */
  readonly firstMoments: number;
  readonly secondMoments: number;
  readonly scalars: number;
}

/**
 * One optimiser's steps over the state of one replica, on the host. The state is cut into pieces of at most 65,536 elements of a tensor,
 * and to a range where owners share it. Where pieces end changes no bit: a step works on each element alone, and norms are those of whole
 * tensors, summed in the one order of their elements.
 */
export class OptimizerStep {
  /** Whether a step needs the whole reduced gradient, and not that of its range alone. */
  readonly needsWholeGradient: boolean;
  readonly #options: OptimizerStepOptions;
  readonly #pieces: readonly Piece[];
  /** For each set of scalars, whose it is: a group, or one tensor where steps depend on norms. */
  readonly #sets: readonly { readonly lrScale: number; readonly decay: boolean; readonly tensor?: number }[];
  /** The pieces of the tensors that are adapted and in the range, whole, by tensor. */
  readonly #adapted: readonly (readonly Piece[] | undefined)[];

  constructor(options: OptimizerStepOptions) {
    const { settings, layout, arenas, range = { first: 0, length: layout.length } } = options;
    const rule = ruleOf(settings);
    const { groups, groupOf } = stepGroups(layout.tensors);
    const kernels = arenas.map(({ memory }) => openUpdateKernels(memory)[rule.kernel]);
    const isByTensor = rule.adapt !== undefined;
    const piecesIn = (tensor: FlatTensor, at: number, { first, length }: FloatRange): Piece[] =>
      cut({ ...options, kernels, tensor, set: isByTensor ? at : groupOf[at]!, first, end: first + length });
    this.needsWholeGradient = isByTensor;
    this.#options = options;
    this.#sets = isByTensor ? layout.tensors.map(({ lrScale, decay }, tensor) => ({ lrScale, decay, tensor })) : groups;
    this.#pieces = layout.tensors.flatMap((tensor, at) => piecesIn(tensor, at, range));
    this.#adapted = layout.tensors.map((tensor, at) => {
      const isHere = tensor.offset < range.first + range.length && tensor.offset + tensor.size > range.first;
      return isByTensor && isHere && isAdapted(tensor) ? piecesIn(tensor, at, { first: 0, length: layout.length }) : undefined;
    });
  }

  /** Takes a step. @throws RangeError when `step` is no whole number from 1 on. */
  apply({ lr, step, gradScale = 1 }: StepOptions): void {
    if (!Number.isSafeInteger(step) || step < 1) throw new RangeError(`optimizer: step counts from 1, found ${step}`);
    const { settings, arenas } = this.#options;
    const rule = ruleOf(settings);
    for (const [i, { lrScale, decay, tensor }] of this.#sets.entries()) {
      const weightDecay = decay ? settings.weightDecay : 0;
      const scalars = rule.scalarsOf(NUMBERS, { lr: lr * lrScale, step, gradScale, weightDecay });
      const whole = tensor === undefined ? undefined : this.#adapted[tensor];
      const trust = whole && rule.adapt!(NUMBERS, normsOf(whole, gradScale), weightDecay);
      for (const { ranges } of arenas) {
        for (const [k, name] of rule.scalars.entries()) {
          ranges['scalars']![i * SCALAR_FLOATS + k] = name === 'trust' && trust !== undefined ? trust : scalars[name]!;
        }
      }
    }
    for (const { update, gradient, staging, values, firstMoments, secondMoments, scalars } of this.#pieces) {
      staging.set(gradient);
      update(values.byteOffset, staging.byteOffset, firstMoments, secondMoments, values.length, scalars);
    }
  }
}

function scalarSets(settings: OptimizerSettings, { tensors }: FlatLayout): number {
  return ruleOf(settings).adapt === undefined ? stepGroups(tensors).groups.length : tensors.length;
}

function cut({
  arenas,
  gradient,
  kernels,
  tensor,
  set,
  first: begin,
  end,
}: OptimizerStepOptions & {
  readonly kernels: readonly UpdateElements[];
  readonly tensor: FlatTensor;
  readonly set: number;
  readonly first: number;
  readonly end: number;
}): Piece[] {
  const { offset, size } = tensor;
  const segment = gradient.parts.findLastIndex(({ start }) => start <= offset);
  const part = gradient.parts[segment];
  const arena = arenas[segment];
  if (part === undefined || arena === undefined) throw new RangeError(`optimizer: no segment holds offset ${offset}`);
  const { ranges } = arena;
  const pieces: Piece[] = [];
  const last = Math.min(offset + size, end);
  for (let first = Math.max(offset, begin); first < last; first += STAGING_FLOATS) {
    const at = first - part.start;
    const length = Math.min(STAGING_FLOATS, last - first);
    pieces.push({
      arena,
      update: kernels[segment]!,
      tensor,
      gradient: part.floats.subarray(at, at + length),
      staging: ranges['staging']!.subarray(0, length),
      values: ranges['parameters']!.subarray(at, at + length),
      firstMoments: ranges['firstMoments']!.byteOffset + 4 * at,
      secondMoments: (ranges['secondMoments']?.byteOffset ?? 0) + 4 * at,
      scalars: ranges['scalars']!.byteOffset + 4 * SCALAR_FLOATS * set,
    });
  }
  return pieces;
}

/** The norms of a tensor, from all its pieces: sums of squares in float64, in eight lanes from its first element on. */
function normsOf(pieces: readonly Piece[], gradScale: number): { readonly parameter: number; readonly gradient: number } {
  const norm = (bring: (piece: Piece) => Float32Array): number => {
    const { arena } = pieces[0]!;
    arena.lanes.fill(0);
    for (const piece of pieces) {
      const floats = bring(piece);
      arena.kernels.sumSquares(floats.byteOffset, floats.length, arena.lanes.byteOffset);
    }
    return Math.sqrt(sumLanes(arena.lanes));
  };
  return {
    parameter: norm(({ values }) => values),
    gradient:
      gradScale *
      norm(({ staging, gradient }) => {
        staging.set(gradient);
        return staging;
      }),
  };
}
