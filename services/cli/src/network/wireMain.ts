import { type DelayLine, delayLine, type WireLaw } from './delayLine.ts';
import { openTap, type TapDevice, waitForAny } from './tapDevice.ts';

/** Order to the wire's program, as JSON in its first argument. */
export interface WireOrder {
  /** Names of the devices at its ends. The law applies from near to far; in the other direction everything arrives at once. */
  readonly near: string;
  readonly far: string;
  readonly law: WireLaw;
}

const STDIN = 0;
/** A header of 10 bytes, one of Ethernet with a tag, and the largest IP packet. */
const MOST_FRAME = 10 + 18 + 65_536;
/** Frames taken from one end before the other has its turn. */
const TURN = 64;

/**
 * Carries frames between two TAP devices, and ends when its standard input does, so with its creator. It is a separate process because it
 * waits in the system, not in Node's event loop.
 */
function carry({ near, far, law }: WireOrder): void {
  // Losses must hit frames of the network's size, as on a real link; otherwise the size does not matter.
  const isWhole = law.lossPercent === 0;
  const [nearEnd, farEnd] = [openTap(near, { isWhole }), openTap(far, { isWhole })];
  const buffer = Buffer.alloc(MOST_FRAME);
  const out = delayLine(law);
  process.stdout.write('ready\n');
  for (;;) {
    deliver(out, farEnd);
    const [isOver, isSent, isReturned] = waitForAny([STDIN, nearEnd.fd, farEnd.fd], out.waitMs(performance.now()));
    if (isOver) return;
    if (isSent) for (const frame of frames(nearEnd, buffer)) out.send(Buffer.from(frame), performance.now());
    if (isReturned) for (const frame of frames(farEnd, buffer)) nearEnd.write(frame);
  }
}

function deliver(line: DelayLine, end: TapDevice): void {
  for (let frame = line.receive(performance.now()); frame !== undefined; frame = line.receive(performance.now())) end.write(frame);
}

/** Yields the available frames, at most one turn's worth. Each is valid until the next is requested. */
function* frames(end: TapDevice, buffer: Buffer): Generator<Buffer> {
  for (let i = 0; i < TURN; i++) {
    const length = end.readInto(buffer);
    if (length === 0) return;
    yield buffer.subarray(0, length);
  }
}

carry(JSON.parse(process.argv[2]!) as WireOrder);
