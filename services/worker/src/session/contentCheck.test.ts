import { expect, jest, test } from '@jest/globals';
import { MaestroError } from '@maestro/protocol';
import { createLogger } from '@maestro/telemetry';
import { openContentCheck } from './contentCheck.ts';
import type { ContentConflict, ContentTable } from './contentTable.ts';

const { signal } = new AbortController();
const dataset = { name: (index: number) => `${index}.png` };
const logger = createLogger({ role: 'worker', destination: { write: () => undefined } });
const silent = { isLast: false, onWaiting: () => undefined, signal };

/** A check over a table whose answers a test gives. */
function open(compare: ContentTable['compare']) {
  return openContentCheck({ table: { compare, inherit: async () => undefined }, dataset, reader: 'worker-b', logger, patienceMs: 5 });
}

test('what was noted is compared before a step goes on, once, and in one piece', async () => {
  const compared: number[][] = [];
  const check = open(async (readings) => {
    compared.push([...readings]);
    return [];
  });
  check.note(new Float64Array());
  await check.settle(silent);
  check.note(Float64Array.of(1, 10));
  check.note(Float64Array.of(2, 20, 3, 30));
  await check.settle(silent);
  expect(compared.flat()).toEqual([1, 10, 2, 20, 3, 30]);
  await check.close();
});

test('a sample with other bytes ends the step with its name, both hashes and both workers, and each step after it', async () => {
  const conflicts: ContentConflict[] = [
    { sample: 7, found: 0xabc, first: 0x123, firstReader: 'worker-a' },
    { sample: 9, found: 1, first: 2, firstReader: '' },
  ];
  const check = open(async () => conflicts);
  check.note(Float64Array.of(7, 0xabc, 9, 1));
  for (let step = 0; step < 2; step++) {
    await expect(check.settle(silent)).rejects.toMatchObject({
      code: 'data-invalid',
      message:
        "data set: 7.png has content hash 0000000000abc on worker-b, worker-a had 0000000000123, and so with 1 more: the workers' copies " +
        'differ or the data was changed; make them the same and submit the job again',
      details: { samples: ['7.png', '9.png'] },
    });
  }
  await check.close();
});

test('a sample that this worker itself read before with other bytes was changed: no other worker is named', async () => {
  const check = open(async () => [{ sample: 7, found: 1, first: 2, firstReader: 'worker-b' }]);
  check.note(Float64Array.of(7, 1));
  await expect(check.settle(silent)).rejects.toThrow('on worker-b, 0000000000002 was read before: ');
  await check.close();
});

test('while Redis is away steps go on and the last one waits, saying why; then all is compared', async () => {
  let isAway = true;
  const compared: number[] = [];
  const check = open(async (readings) => {
    if (isAway) throw new MaestroError('redis-unavailable', 'Redis at localhost:1 does not answer');
    compared.push(...readings);
    return [];
  });
  const told: string[] = [];
  for (let step = 0; step < 3; step++) {
    check.note(Float64Array.of(step, 1));
    await check.settle(silent);
  }
  expect(compared).toEqual([]);
  const onWaiting = jest.fn((reason: string) => {
    told.push(reason);
    isAway = false;
  });
  await check.settle({ isLast: true, onWaiting, signal });
  expect(compared).toEqual([0, 1, 1, 1, 2, 1]);
  expect(told[0]).toBe('Redis at localhost:1 does not answer');
  expect(told.at(-1)).toBe('');
  await check.close();
});

test('who waits for Redis stops when the view ends', async () => {
  const aborter = new AbortController();
  const check = open(() => new Promise(() => undefined));
  check.note(Float64Array.of(1, 1));
  const settled = check.settle({
    isLast: true,
    onWaiting: () => aborter.abort(new MaestroError('cancelled', 'a newer view')),
    signal: aborter.signal,
  });
  await expect(settled).rejects.toThrow('a newer view');
  await check.close();
});
