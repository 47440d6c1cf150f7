import type { Hello, WorkerMessage } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';

/** What crosses a worker's dismissal is nothing to tell of. */
const QUIET: ReadonlySet<WorkerMessage['kind']> = new Set(['heartbeat', 'timed', 'left']);
/** Messages of one worker that are not believed are told of so often, at most. */
const MOST_TOLD = 10;

/** Tells the log of messages that are not believed, of each kind once for each worker. */
export interface Distrust {
  tell(worker: Pick<Hello, 'id' | 'name'>, message: Pick<WorkerMessage, 'kind'>, problem: string): void;
  forget(workerId: string): void;
}

/** Nothing was told yet. */
export function createDistrust(log: Pick<Logger, 'warn' | 'debug'>): Distrust {
  const told = new Map<string, Set<string>>();
  return {
    tell({ id, name }, { kind }, problem) {
      const what = `${kind}: ${problem.replace(/\d+/g, 'N')}`;
      const known = told.get(id) ?? new Set();
      told.set(id, known);
      const level = QUIET.has(kind) || known.has(what) || known.size >= MOST_TOLD ? 'debug' : 'warn';
      if (known.size < MOST_TOLD) known.add(what);
      log[level]({ worker: name, kind, reason: problem }, 'message not believed');
    },
    forget: (workerId) => void told.delete(workerId),
  };
}
