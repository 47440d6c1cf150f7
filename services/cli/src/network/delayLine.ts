import { randomStream } from '@maestro/random';

/** What a wire does to each frame that is sent over it. */
export interface WireLaw {
  /** How much later it arrives. */
  readonly delayMs: number;
  /** Share of frames that never do, in percent. */
  readonly lossPercent: number;
  /** Which frames are lost: the same ones, counted from the first, for the same seed. */
  readonly seed: number;
}

/** Frames on their way, in order. */
export interface DelayLine {
  /** Takes a frame in, unless the law or a full line loses it. The line keeps it, so it must not change. */
  send(frame: Uint8Array, nowMs: number): void;
  /** The next frame that is due; undefined when none is. */
  receive(nowMs: number): Uint8Array | undefined;
  /** How long until one is due; infinite when none is on its way. */
  waitMs(nowMs: number): number;
}

/** A router that has more than this waiting drops what comes; the product of bandwidth and delay of 5 Gbit/s and 100 ms. */
const MOST_BYTES = 64 * 2 ** 20;
/** Frames that have arrived are cleared away when there are so many of them. */
const CLEARED = 4096;

/** A line that delays and loses frames by a law. Pure but for what it holds: times are passed in. */
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
