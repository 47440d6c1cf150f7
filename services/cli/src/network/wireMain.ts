import { type DelayLine, delayLine, type WireLaw } from './delayLine.ts';
import { openTap, type TapDevice, waitForAny } from './tapDevice.ts';

/** What the wire's program is told, as JSON in its first argument. */
export interface WireOrder {
  /** Names of the devices at its ends. The law is for what goes from near to far; the other way everything arrives at once. */
  readonly near: string;
  readonly far: string;
  readonly law: WireLaw;
}

const STDIN = 0;
/** A header of 10 bytes, one of Ethernet with a tag, and the largest IP packet. */
const MOST_FRAME = 10 + 18 + 65_536;
/** Frames that are taken from one end before the other has its turn. */
const TURN = 64;

/**
 * A wire: a loop that carries frames between two TAP devices, and ends when its standard input does, so with whoever laid it. It is a
 * process of its own because it waits in the system, not in Node's event loop.
 */
function carry({ near, far, law }: WireOrder): void {
  // What is lost is lost frame by frame of the network's size, as on a real link; otherwise size does not matter.
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

/** The frames that are there now, a turn's worth of them at most. Each is good until the next is asked for. */
function* frames(end: TapDevice, buffer: Buffer): Generator<Buffer> {
  for (let i = 0; i < TURN; i++) {
    const length = end.readInto(buffer);
    if (length === 0) return;
    yield buffer.subarray(0, length);
  }
}

carry(JSON.parse(process.argv[2]!) as WireOrder);
