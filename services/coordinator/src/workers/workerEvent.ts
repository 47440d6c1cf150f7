import type { Hello, WorkerMessage } from '@maestro/protocol';
import type { RunEvent } from '../run/state/runState.ts';

/** Converts a worker's message to an event of the run of its job; undefined when the run need not know. */
export function workerEvent(worker: Hello, message: WorkerMessage): RunEvent | undefined {
  const { id: workerId } = worker;
  switch (message.kind) {
    case 'heartbeat':
      return { type: 'heartbeat', workerId, heartbeat: message };
    case 'standing':
      return { type: 'standing', worker, standing: message };
    case 'committed':
      return { type: 'committed', workerId, committed: message };
    case 'checkpoint':
      return { type: 'checkpoint', checkpoint: message };
    case 'checkpointFailed':
      return { type: 'checkpointFailed', workerId, failed: message };
    case 'drain':
      return { type: 'drain', workerId, reason: message.reason };
    case 'left':
      return { type: 'left', workerId, left: message };
    case 'skipped':
      return { type: 'skipped', images: message.images };
    case 'hello':
    case 'timed':
    case 'metrics':
      return undefined;
  }
}
