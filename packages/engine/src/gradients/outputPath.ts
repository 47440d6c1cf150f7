import { openArena } from '@maestro/kernels';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { SELF_TEST_LENGTH, selfTestModel } from '../devices/selfTestModel.ts';
import { floatTensor, openSession, type Session, type SessionOptions, type SessionTensor } from '../session.ts';

/**
 * What onnxruntime-node 1.29 rejects with when it comes to the sequence, the first output: after every preallocated tensor was
 * written in place, and before any output is copied into a new ArrayBuffer (ViT-B: 0.4 GB and a tenth of the time of a step).
 */
const SEQUENCE_MESSAGE = 'Non tensor type is temporarily not supported.';

/** A NaN that no computation gives, so that an output that was not written shows. */
const SENTINEL = 0x7fc5a5a5;

/** How outputs come back: written in place, or copied by ONNX Runtime and then by us. Both give the same bits. */
export type OutputPath = 'in-place' | 'copying';

/** Preallocated outputs by name, and what guards that they are written. Made once, used for every run. */
export interface OutputBinding {
  /** Every preallocated output, with `status`, the sequence, as null. */
  readonly fetches: Readonly<Record<string, SessionTensor | null>>;
  readonly outputs: readonly { readonly name: string; readonly data: Float32Array; readonly firstWord: Uint32Array }[];
  readonly names: readonly string[];
}

/** Binds the sequence output `status` and the float32 outputs of `tensors`. */
export function bindOutputs(status: string, tensors: Readonly<Record<string, SessionTensor>>): OutputBinding {
  const outputs = Object.entries(tensors).map(([name, tensor]) => {
    const data = tensor.data as Float32Array;
    return { name, data, firstWord: new Uint32Array(data.buffer, data.byteOffset, 1) };
  });
  return { fetches: { [status]: null, ...tensors }, outputs, names: outputs.map(({ name }) => name) };
}

/** Runs `session` with every output written in place, by way of the rejection described at {@link SEQUENCE_MESSAGE}. */
export async function runInPlace(session: Session, feeds: Readonly<Record<string, SessionTensor>>, binding: OutputBinding): Promise<void> {
  for (const { firstWord } of binding.outputs) firstWord[0] = SENTINEL;
  let rejection = 'nothing: the run was fulfilled';
  try {
    await session.run(feeds, binding.fetches);
  } catch (error) {
    rejection = errorMessage(error);
  }
  if (rejection !== SEQUENCE_MESSAGE) {
    throw new MaestroError('internal', `in-place outputs: the run should reject with "${SEQUENCE_MESSAGE}", found ${rejection}`);
  }
  for (const { name, firstWord } of binding.outputs) {
    if (firstWord[0] === SENTINEL) throw new MaestroError('internal', `in-place outputs: ${name} was not written`);
  }
}

/** Runs `session` without the sequence and copies every result to where {@link runInPlace} would have written it. */
export async function runCopying(session: Session, feeds: Readonly<Record<string, SessionTensor>>, binding: OutputBinding): Promise<void> {
  const results = await session.run(feeds, binding.names);
  for (const { name, data } of binding.outputs) data.set(results[name]!.data as Float32Array);
}

/**
 * Whether in-place outputs work here: a tiny model is run twice on WebAssembly memory, with other inputs the second time, and
 * must write the right numbers. Any surprise means the copying path, with the reason.
 */
export async function chooseOutputPath(options: SessionOptions): Promise<{ readonly path: OutputPath; readonly reason: string }> {
  const { ranges } = openArena({ ranges: { x: SELF_TEST_LENGTH, doubled: SELF_TEST_LENGTH, loss: 1 } });
  try {
    const session = await openSession('self-test model', selfTestModel(), options);
    try {
      const feeds = { x: floatTensor(ranges.x, [SELF_TEST_LENGTH]) };
      const binding = bindOutputs('status', {
        loss: floatTensor(ranges.loss, []),
        doubled: floatTensor(ranges.doubled, [SELF_TEST_LENGTH]),
      });
      for (const base of [1, 100]) {
        ranges.x.forEach((_, i) => {
          ranges.x[i] = base + i;
        });
        await runInPlace(session, feeds, binding);
        const isRight =
          ranges.doubled.every((found, i) => found === 2 * (base + i)) && ranges.loss[0] === SELF_TEST_LENGTH * (2 * base + 7);
        if (!isRight) throw new MaestroError('internal', `in-place outputs: the self-test found ${[...ranges.doubled, ...ranges.loss]}`);
      }
    } finally {
      await session.release();
    }
    return { path: 'in-place', reason: 'the self-test passed' };
  } catch (error) {
    return { path: 'copying', reason: errorMessage(error) };
  }
}
