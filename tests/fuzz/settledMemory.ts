import { readFile } from 'node:fs/promises';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually.ts';

/** Starts the inspector of a process that is told to by {@link INSPECTABLE}, on a free port. */
const START_INSPECTOR = 'SIGUSR1';

/** Environment of a process whose memory is looked at. */
export const INSPECTABLE = { NODE_OPTIONS: '--inspect-port=0' };

/** The memory of a Node process after its garbage was collected, in bytes. */
export interface MemoryLook {
  /** What JavaScript holds: its heap, and what buffers have outside of it. */
  readonly live: number;
  /** What the system has given: that, and what the allocator keeps of what large requests took for a moment. */
  readonly resident: number;
}

/** Looks at a Node process. */
export interface SettledMemory {
  look(): Promise<MemoryLook>;
  close(): void;
}

const EXPRESSION = 'JSON.stringify(process.memoryUsage())';

/**
 * Opens the inspector of a process, whose output is in `log`: without a collection, what it holds cannot be told from what it has not
 * thrown away yet.
 */
export async function openSettledMemory(pid: number, log: string): Promise<SettledMemory> {
  process.kill(pid, START_INSPECTOR);
  const url = await eventually('the inspector', async () => /Debugger listening on (ws:\S+)/.exec(await readFile(log, 'utf8'))?.[1]);
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  let id = 0;
  const call = (method: string, params: Readonly<Record<string, unknown>> = {}): Promise<unknown> =>
    new Promise((resolve) => {
      const own = ++id;
      const onMessage = (data: Buffer): void => {
        const answer = JSON.parse(data.toString()) as { readonly id?: number; readonly result: unknown };
        if (answer.id !== own) return;
        socket.off('message', onMessage);
        resolve(answer.result);
      };
      socket.on('message', onMessage);
      socket.send(JSON.stringify({ id: own, method, params }));
    });
  return {
    async look() {
      // What finalisers free goes with the second one.
      await call('HeapProfiler.collectGarbage');
      await call('HeapProfiler.collectGarbage');
      const { result } = (await call('Runtime.evaluate', { expression: EXPRESSION })) as { readonly result: { readonly value: string } };
      const { heapUsed, external, rss } = JSON.parse(result.value) as NodeJS.MemoryUsage;
      return { live: heapUsed + external, resident: rss };
    },
    close: () => socket.terminate(),
  };
}
