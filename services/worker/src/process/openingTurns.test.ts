import { setImmediate } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { openCollective } from '@maestro/collective';
import { failureTimeouts, type WorkerMessage } from '@maestro/protocol';
import { createLogger } from '@maestro/telemetry';
import { openMember } from '../member/openMember.ts';
import { createFaults } from './faults.ts';
import { createOpeningTurns } from './openingTurns.ts';
import { openWorkerMetrics } from './workerMetrics.ts';

test('a third member opens after the first has closed, though the second was released while it waited', async () => {
  const metrics = openWorkerMetrics();
  const collective = await openCollective({ address: '127.0.0.1:0' });
  try {
    const openInTurn = createOpeningTurns();
    let closeFirst = (): void => undefined;
    const first = {
      closed: new Promise<void>((resolve) => {
        closeFirst = resolve;
      }),
    };
    openInTurn(() => first);

    const sent: WorkerMessage[] = [];
    const second = openInTurn((before) =>
      openMember({
        jobId: 'job-2',
        specJson: '{}',
        self: 'worker-a',
        before,
        send: (message) => void sent.push(message),
        name: 'worker-a',
        coordinator: '',
        redisUrl: '',
        dataDir: '',
        scratchDir: '',
        compute: { device: 'cpu', threads: 1, engine: 'auto', cuda: {} },
        collective,
        timeouts: failureTimeouts(5000),
        isFaultTolerant: true,
        faults: createFaults(undefined),
        metrics,
        logger: createLogger({ role: 'worker', destination: { write: () => undefined } }),
        signal: new AbortController().signal,
      }),
    );
    second.release({ reason: 'the job was cancelled', writeCheckpoint: false });
    await second.closed;
    expect(sent.at(-1)).toMatchObject({ kind: 'left', jobId: 'job-2', outcome: 'released' });

    let mayOpen = false;
    const third = openInTurn((before) => ({ before, closed: before }));
    void third.before.then(() => {
      mayOpen = true;
    });
    await setImmediate();
    expect(mayOpen).toBe(false);
    closeFirst();
    await third.before;
    expect(mayOpen).toBe(true);
  } finally {
    await collective.close();
    metrics.close();
  }
});
