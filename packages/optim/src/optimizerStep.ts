import { type Arena, type FloatRange, type SegmentedFloats, sumLanes } from '@maestro/kernels';
import type { FlatLayout, FlatTensor } from '@maestro/tensors';
import { NUMBERS } from './arithmetic.ts';
import { isAdapted, stepGroups } from './parameterGroups.ts';
import { ruleOf } from './ruleOf.ts';
import type { OptimizerSettings } from './section.ts';
import { openUpdateKernels, type UpdateElements } from './updateKernels.ts';
import type { UpdateKernel } from './updateRule.ts';

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

/** A piece of one tensor as a step reads and changes it: vectors of one length, and the scalars of its kernel. */
export interface StepPiece {
  readonly parameters: Float32Array;
  readonly gradient: Float32Array;
  readonly firstMoments: Float32Array;
  readonly secondMoments?: Float32Array | undefined;
  readonly scalars: Float32Array;
}

/** Prepares steps over pieces, to be taken again and again in another way than in WebAssembly, with the same bits. */
export type PrepareStep = (kernel: UpdateKernel, pieces: readonly StepPiece[]) => () => void;

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
  /** What takes the steps. Default: the kernels in WebAssembly. */
  readonly prepare?: PrepareStep | undefined;
}

/** The state vectors of an optimiser, in the order that they have on the wire and on disk. */
export function stateVectors(settings: OptimizerSettings): readonly StateVector[] {
  return (['parameters', 'firstMoments', 'secondMoments'] as const).slice(0, 1 + ruleOf(settings).moments.length);
}

/** Ranges that the memories of the state need beside it: names to floats. */
export function stepScratch(settings: OptimizerSettings, layout: FlatLayout): Readonly<Record<'staging' | 'scalars', number>> {
  return { staging: STAGING_FLOATS, scalars: SCALAR_FLOATS * scalarSets(settings, layout) };
}

/** Where a piece of one tensor lies, in the state and in any gradient. */
interface Place {
  readonly arena: Arena<string>;
  readonly segment: number;
  /** From the segment's begin. */
  readonly at: number;
  readonly length: number;
  /** Of its scalars. */
  readonly set: number;
}

/** A piece with everything that its step touches. */
interface Piece extends StepPiece {
  readonly arena: Arena<string>;
  /** Where the kernel looks for the gradient: where it is, or, of one in another memory, where it is copied to. */
  readonly staging: Float32Array;
}

/** What steps on one gradient are taken with, made once. */
interface Prepared {
  readonly step: () => void;
  /** The pieces of the tensors that are adapted and in the range, whole, by tensor. */
  readonly adapted: readonly (readonly Piece[] | undefined)[];
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
  /** For each set of scalars, whose it is: a group, or one tensor where steps depend on norms. */
  readonly #sets: readonly { readonly lrScale: number; readonly decay: boolean; readonly tensor?: number }[];
  readonly #places: readonly Place[];
  readonly #adapted: readonly (readonly Place[] | undefined)[];
  readonly #prepared = new Map<SegmentedFloats, Prepared>();

  constructor(options: OptimizerStepOptions) {
    const { settings, layout, range = { first: 0, length: layout.length } } = options;
    const { groups, groupOf } = stepGroups(layout.tensors);
    const isByTensor = ruleOf(settings).adapt !== undefined;
    const placesIn = (tensor: FlatTensor, at: number, { first, length }: FloatRange): Place[] =>
      cut(options, tensor, { set: isByTensor ? at : groupOf[at]!, first, end: first + length });
    this.needsWholeGradient = isByTensor;
    this.#options = options;
    this.#sets = isByTensor ? layout.tensors.map(({ lrScale, decay }, tensor) => ({ lrScale, decay, tensor })) : groups;
    this.#places = layout.tensors.flatMap((tensor, at) => placesIn(tensor, at, range));
    this.#adapted = layout.tensors.map((tensor, at) => {
      const isHere = tensor.offset < range.first + range.length && tensor.offset + tensor.size > range.first;
      return isByTensor && isHere && isAdapted(tensor) ? placesIn(tensor, at, { first: 0, length: layout.length }) : undefined;
    });
  }

  /**
   * Takes a step on the reduced gradient, or on another one that is cut like it; one in the memory of the state is not copied.
   * @throws RangeError when `step` is no whole number from 1 on.
   */
  apply({ lr, step, gradScale = 1 }: StepOptions, gradient: SegmentedFloats = this.#options.gradient): void {
    if (!Number.isSafeInteger(step) || step < 1) throw new RangeError(`optimizer: step counts from 1, found ${step}`);
    const { settings, arenas } = this.#options;
    const rule = ruleOf(settings);
    const prepared = this.#prepared.get(gradient) ?? this.#prepare(gradient);
    for (const [i, { lrScale, decay, tensor }] of this.#sets.entries()) {
      const weightDecay = decay ? settings.weightDecay : 0;
      const scalars = rule.scalarsOf(NUMBERS, { lr: lr * lrScale, step, gradScale, weightDecay });
      const whole = tensor === undefined ? undefined : prepared.adapted[tensor];
      const trust = whole && rule.adapt!(NUMBERS, normsOf(whole, gradScale), weightDecay);
      for (const { ranges } of arenas) {
        for (const [k, name] of rule.scalars.entries()) {
          ranges['scalars']![i * SCALAR_FLOATS + k] = name === 'trust' && trust !== undefined ? trust : scalars[name]!;
        }
      }
    }
    prepared.step();
  }

  #prepare(gradient: SegmentedFloats): Prepared {
    const { settings, prepare } = this.#options;
    const { kernel } = ruleOf(settings);
    const pieceOf = (place: Place): Piece => pieceAt(place, gradient);
    const pieces = this.#places.map(pieceOf);
    const step = prepare === undefined ? inWebAssembly(kernel, pieces) : prepare(kernel, pieces);
    const prepared = { step, adapted: this.#adapted.map((places) => places?.map(pieceOf)) };
    this.#prepared.set(gradient, prepared);
    return prepared;
  }
}

function inWebAssembly(kernel: UpdateKernel, pieces: readonly Piece[]): () => void {
  const kernels = new Map<Arena<string>, UpdateElements>();
  for (const { arena } of pieces) if (!kernels.has(arena)) kernels.set(arena, openUpdateKernels(arena.memory)[kernel]);
  const steps = pieces.map((piece) => ({ ...piece, update: kernels.get(piece.arena)! }));
  return () => {
    for (const { update, gradient, staging, parameters, firstMoments, secondMoments, scalars } of steps) {
      if (staging !== gradient) staging.set(gradient);
      const second = secondMoments?.byteOffset ?? 0;
      update(parameters.byteOffset, staging.byteOffset, firstMoments.byteOffset, second, parameters.length, scalars.byteOffset);
    }
  };
}

function scalarSets(settings: OptimizerSettings, { tensors }: FlatLayout): number {
  return ruleOf(settings).adapt === undefined ? stepGroups(tensors).groups.length : tensors.length;
}

function cut(
  { gradient, arenas }: OptimizerStepOptions,
  { offset, size }: FlatTensor,
  { set, first: begin, end }: { readonly set: number; readonly first: number; readonly end: number },
): Place[] {
  const segment = gradient.parts.findLastIndex(({ start }) => start <= offset);
  const part = gradient.parts[segment];
  const arena = arenas[segment];
  if (part === undefined || arena === undefined) throw new RangeError(`optimizer: no segment holds offset ${offset}`);
  const places: Place[] = [];
  const last = Math.min(offset + size, end);
  for (let first = Math.max(offset, begin); first < last; first += STAGING_FLOATS) {
    places.push({ arena, segment, at: first - part.start, length: Math.min(STAGING_FLOATS, last - first), set });
  }
  return places;
}

function pieceAt({ arena, segment, at, length, set }: Place, { parts }: SegmentedFloats): Piece {
  const { ranges } = arena;
  const viewOf = (floats: Float32Array): Float32Array => floats.subarray(at, at + length);
  const gradient = viewOf(parts[segment]!.floats);
  return {
    arena,
    parameters: viewOf(ranges['parameters']!),
    gradient,
    staging: gradient.buffer === arena.memory.buffer ? gradient : ranges['staging']!.subarray(0, length),
    firstMoments: viewOf(ranges['firstMoments']!),
    secondMoments: ranges['secondMoments'] && viewOf(ranges['secondMoments']),
    scalars: ranges['scalars']!.subarray(SCALAR_FLOATS * set, SCALAR_FLOATS * (set + 1)),
  };
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
    parameter: norm(({ parameters }) => parameters),
    gradient:
      gradScale *
      norm(({ staging, gradient }) => {
        if (staging !== gradient) staging.set(gradient);
        return staging;
      }),
  };
}
