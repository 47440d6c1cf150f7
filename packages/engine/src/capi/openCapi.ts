import { MaestroError } from '@maestro/protocol';
import { SELF_TEST_LENGTH, selfTestModel } from '../devices/selfTestModel.ts';
import type { SessionOptions } from '../session.ts';
import { type OrtApi, openOrtApi } from './ortApi.ts';
import { openOrtSession } from './ortSession.ts';
import { openMemory } from './ortValue.ts';

/**
 * Opens the C API and tries every kind of call that training makes on a tiny model, twice with other inputs, whose numbers are known.
 *
 * @throws MaestroError `unavailable` with the reason when anything is not as it should be.
 */
export async function openCapi(options: SessionOptions): Promise<OrtApi> {
  const api = await openOrtApi();
  const memory = openMemory(api);
  const session = openOrtSession(api, selfTestModel(), options);
  const x = new Float32Array(SELF_TEST_LENGTH);
  const doubled = new Float32Array(SELF_TEST_LENGTH);
  const loss = new Float32Array(1);
  const values = [memory.over(x, [SELF_TEST_LENGTH]), memory.over(doubled, [SELF_TEST_LENGTH]), memory.over(loss, [])] as const;
  const binding = session.bind();
  try {
    binding.input('x', values[0]);
    binding.output('doubled', values[1]);
    binding.output('loss', values[2]);
    for (const base of [1, 100]) {
      x.forEach((_, i) => {
        x[i] = base + i;
      });
      binding.run();
      const isRight = doubled.every((found, i) => found === 2 * (base + i)) && loss[0] === SELF_TEST_LENGTH * (2 * base + 7);
      if (!isRight) throw new MaestroError('unavailable', `capi: the self-test found ${[...doubled, ...loss]}`);
    }
  } finally {
    binding.close();
    memory.close();
    session.close();
  }
  return api;
}
