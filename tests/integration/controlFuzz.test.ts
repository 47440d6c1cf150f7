import { expect, test } from '@jest/globals';
import { runControlFuzz } from '../fuzz/runControlFuzz.ts';

test('hostile messages of strangers, impostors and members change only their own: the job beside them ends right', async () => {
  const { problems, messages, exactJobs } = await runControlFuzz({ messages: 1000, seed: 1 });
  expect(problems).toEqual([]);
  expect(messages).toBe(1000);
  expect(exactJobs).toBeGreaterThan(0);
}, 300_000);
