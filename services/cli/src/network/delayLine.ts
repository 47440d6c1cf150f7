import { randomStream } from '@maestro/random';

/** Effect of a wire on each frame sent over it. */
export interface WireLaw {
  /** Delay of its arrival. */
  readonly delayMs: number;
  /** Share of lost frames, in percent. */
  readonly lossPercent: number;
  /** Selects the lost frames: the same ones, counted from the first, for the same seed. */
  readonly seed: number;
}

/** Frames in flight, in order. */
export interface DelayLine {
  /** Adds a frame, unless the law or a full line loses it. The line keeps it, so it must not change. */
  send(frame: Uint8Array, nowMs: number): void;
  /** Returns the next frame that is due; undefined when none is. */
  receive(nowMs: number): Uint8Array | undefined;
  /** Returns the time until one is due; infinite when none is in flight. */
  waitMs(nowMs: number): number;
}

/** Queue size above which a router drops frames: the bandwidth-delay product of 5 Gbit/s and 100 ms. */
const MOST_BYTES = 64 * 2 ** 20;
/** Number of delivered frames at which they are cleared away. */
const CLEARED = 4096;

/** Creates a line that delays and loses frames by a law. Pure except for its own state: times are passed in. */
export function delayLine({ delayMs, lossPercent, seed }: WireLaw, { mostBytes = MOST_BYTES } = {}): DelayLine {
  const random = randomStream({ seed, purpose: 'probe' });
  const frames: { readonly dueMs: number; readonly frame: Uint8Array }[] = [];
  let first = 0;
  let bytes = 0;
  return {
    send(frame, nowMs) {
      const isLost = lossPercent > 0 && random.uniform() * 100 < lossPercent;
      if (isLost || bytes + frame.length > mostBytes) return;
      frames.push({ dueMs: nowMs + delayMs, frame });
      bytes += frame.length;
    },
    receive(nowMs) {
      const next = frames[first];
      if (next === undefined || next.dueMs > nowMs) return undefined;
      bytes -= next.frame.length;
      if (++first === CLEARED) {
        frames.splice(0, first);
        first = 0;
      }
      return next.frame;
    },
    waitMs: (nowMs) => Math.max(0, (frames[first]?.dueMs ?? Number.POSITIVE_INFINITY) - nowMs),
  };
}
