import type { Hello, WorkerMessage } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';

/** Kinds that may cross a worker's dismissal, and are not worth a warning. */
const QUIET: ReadonlySet<WorkerMessage['kind']> = new Set(['heartbeat', 'timed', 'left']);
/** Limits the log lines about rejected messages of one worker. */
const MOST_TOLD = 10;

/** Logs rejected messages, each kind once for each worker. */
export interface Distrust {
  tell(worker: Pick<Hello, 'id' | 'name'>, message: Pick<WorkerMessage, 'kind'>, problem: string): void;
  forget(workerId: string): void;
}

/** Creates an empty log of rejected messages. */
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
