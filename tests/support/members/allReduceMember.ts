import { createHash } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type AllGather, type FloatVector, type Group, type GroupMember, openCollective, treeSubtrees } from '@maestro/collective';
import { isMaestroError } from '@maestro/protocol';

/** The view that a member is to join, and its vectors. */
export interface MemberView {
  readonly generation: number;
  readonly members: readonly GroupMember[];
  readonly virtualRanks: number;
  readonly length: number;
  /** Cut vectors into segments of this many elements; 0: one array. */
  readonly segment: number;
  readonly allGather?: AllGather;
}

/** Commands of the parent process to a member. */
export type MemberCommand =
  | { readonly do: 'join'; readonly view: MemberView }
  | { readonly do: 'steps'; readonly first: number; readonly count: number; readonly hash: boolean }
  | { readonly do: 'leave' };

/** Answers of a member. */
export type MemberAnswer =
  | { readonly is: 'listening'; readonly address: string }
  | { readonly is: 'joined' | 'left' }
  | {
      readonly is: 'stepped';
      readonly hashes: readonly string[];
      readonly seconds: readonly number[];
      readonly cpuSeconds: number;
      readonly delayP99Ms: number;
    }
  | { readonly is: 'failed'; readonly code: string; readonly message: string; readonly details: Readonly<Record<string, unknown>> };

const { imul } = Math;
const MAGNITUDES = Float64Array.from({ length: 16 }, (_, i) => 2 ** -i);

/**
 * Fills a gradient that only the right order of additions sums to the right bits: numbers of many magnitudes, a function of all arguments.
 */
function fillGradient(target: Float32Array, rank: number, step: number): void {
  let state = imul(rank + 1, 0x9e3779b1) ^ imul(step + 1, 0x85ebca6b);
  for (let i = 0; i < target.length; i++) {
    state = (imul(state, 1664525) + 1013904223) | 0;
    target[i] = (state >> 8) * MAGNITUDES[state & 15]!;
  }
}

/** Allocates a shared vector, in one array or in segments. */
function sharedVector(length: number, segment: number): Float32Array[] {
  const size = segment || length;
  return Array.from({ length: Math.ceil(length / size) }, (_, i) => {
    return new Float32Array(new SharedArrayBuffer(4 * Math.min(size, length - i * size)));
  });
}

function scatter(target: readonly Float32Array[], source: Float32Array): void {
  let first = 0;
  for (const segment of target) {
    segment.set(source.subarray(first, first + segment.length));
    first += segment.length;
  }
}

const answer = (message: MemberAnswer) => process.send?.(message);
const [self = '', address = '127.0.0.1:0', keepaliveMs = '1000', checksums = 'true', loops = 'native'] = process.argv.slice(2);
const collective = await openCollective({
  address,
  keepaliveTimeMs: Number(keepaliveMs),
  keepaliveTimeoutMs: Number(keepaliveMs),
  checksums: checksums === 'true',
  loops: loops === 'portable' ? 'portable' : 'native',
});
let group: Group | undefined;
let view: MemberView | undefined;
let partials: Float32Array[][] = [];
let reduced: Float32Array[] = [];

/** Runs the local part of a step: the member's gradients along the tree, to its partials. */
function computePartials(step: number): void {
  const { members, virtualRanks, length } = view!;
  const { firstRank, ranks } = members.find(({ id }) => id === self)!;
  const stack: Float32Array[] = [];
  for (const action of treeSubtrees(firstRank, ranks, virtualRanks).steps) {
    if (action.op === 'leaf') {
      const leaf = new Float32Array(length);
      fillGradient(leaf, action.rank, step);
      stack.push(leaf);
    } else if (action.op === 'merge') {
      const right = stack.pop()!;
      const left = stack.at(-1)!;
      for (let i = 0; i < length; i++) left[i]! += right[i]!;
    } else scatter(partials[action.index]!, stack.pop()!);
  }
}

async function run(command: MemberCommand): Promise<void> {
  if (command.do === 'join') {
    view = command.view;
    const { members, virtualRanks, length, segment, generation, allGather = 'f32' } = view;
    const { firstRank, ranks } = members.find(({ id }) => id === self)!;
    const vector = () => sharedVector(length, segment);
    partials = treeSubtrees(firstRank, ranks, virtualRanks).subtrees.map(vector);
    reduced = vector();
    const single = (segments: Float32Array[]): FloatVector => (segments.length === 1 ? segments[0]! : segments);
    group = await collective.join({
      job: 'test',
      generation,
      members,
      self,
      partials: partials.map(single),
      reduced: single(reduced),
      scalarsPerRank: 2,
      allGather,
    });
    answer({ is: 'joined' });
  } else if (command.do === 'leave') {
    await group?.close();
    answer({ is: 'left' });
  } else {
    const { firstRank, ranks } = view!.members.find(({ id }) => id === self)!;
    const hashes: string[] = [];
    const seconds: number[] = [];
    const cpu = process.cpuUsage();
    const delay = monitorEventLoopDelay({ resolution: 5 });
    for (let step = command.first; step < command.first + command.count; step++) {
      if (command.hash) computePartials(step);
      const scalars = Float64Array.from({ length: 2 * ranks }, (_, i) => (firstRank + (i >> 1)) * 10 + (i % 2) + step);
      delay.enable();
      const begin = performance.now();
      const result = await group!.allReduce({ step, scalars });
      seconds.push((performance.now() - begin) / 1000);
      delay.disable();
      if (!command.hash) continue;
      const hash = createHash('sha256');
      for (const array of [...reduced, result.blockSumSquares, result.scalars, Float64Array.of(result.sumSquares)]) {
        hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
      }
      hashes.push(hash.digest('hex'));
    }
    const { user, system } = process.cpuUsage(cpu);
    answer({ is: 'stepped', hashes, seconds, cpuSeconds: (user + system) / 1e6, delayP99Ms: delay.percentile(99) / 1e6 });
  }
}

process.on('message', (command: MemberCommand) => {
  run(command).catch((error: unknown) => {
    if (!isMaestroError(error)) throw error;
    answer({ is: 'failed', code: error.code, message: error.message, details: error.details });
  });
});
process.on('disconnect', () => process.exit());
answer({ is: 'listening', address: collective.address! });
