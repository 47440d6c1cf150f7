import { statfs } from 'node:fs/promises';
import { Redis } from 'ioredis';

const EVERY_MS = 1000;
const CALL_TIMEOUT_MS = 2000;
/** Room on the disk, beside twice what Redis has in memory, before it writes its file again. */
const ROOM_BYTES = 1024 * 1024;

/**
 * Keeps a Redis at work whose disk is full. With an append-only file that it cannot write it refuses all writes; it is told to go on
 * without one, in memory, and to begin a new one when there is room. What it has not on disk when it dies meanwhile is written again by the
 * coordinator, which lives on, and jobs have files of their own. Only for a server of ours: others' settings are not changed.
 *
 * Gives the way to stop.
 */
export function watchRedisDisk({ url, dir }: { readonly url: string; readonly dir: string }): () => void {
  const client = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: CALL_TIMEOUT_MS,
    retryStrategy: () => EVERY_MS,
  });
  client.on('error', () => undefined); // it is away, or ends: looked at again when it is back
  let isWithoutFile = false;

  const look = async (): Promise<void> => {
    if (client.status !== 'ready') return;
    const info = await client.info();
    const infoOf = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];
    const hasFile = infoOf('aof_enabled') === '1';
    // One that was started again has its file again.
    if (hasFile) isWithoutFile = false;
    if (hasFile && infoOf('aof_last_write_status') === 'err') {
      await client.config('SET', 'appendonly', 'no');
      isWithoutFile = true;
    } else if (isWithoutFile) {
      const { bavail, bsize } = await statfs(dir);
      if (bavail * bsize < ROOM_BYTES + 2 * Number(infoOf('used_memory'))) return;
      await client.config('SET', 'appendonly', 'yes');
      isWithoutFile = false;
    }
  };
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    look()
      .catch(() => undefined) // as above
      .finally(() => {
        isLooking = false;
      });
  }, EVERY_MS).unref();
  client.connect().catch(() => undefined);
  return () => {
    clearInterval(timer);
    client.disconnect();
  };
}
