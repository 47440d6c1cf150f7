import { statfs } from 'node:fs/promises';
import { Redis } from 'ioredis';

const EVERY_MS = 1000;
const CALL_TIMEOUT_MS = 2000;
/** Free space, on top of twice the memory of Redis, before its file is enabled again. */
const ROOM_BYTES = 1024 * 1024;

/**
 * Keeps a Redis with a full disk working. With an append-only file that it cannot write, it refuses all writes; this disables the file, so
 * that it runs from memory, and enables a new one when there is room. If it dies meanwhile, the coordinator, which survives, writes the
 * missing data again, and jobs have their own files. Only for a server of ours: the settings of others are not changed.
 *
 * Returns a function that stops watching.
 */
export function watchRedisDisk({ url, dir }: { readonly url: string; readonly dir: string }): () => void {
  const client = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: CALL_TIMEOUT_MS,
    retryStrategy: () => EVERY_MS,
  });
  client.on('error', () => undefined); // unreachable, or ending: checked again on its return
  let isWithoutFile = false;

  const look = async (): Promise<void> => {
    if (client.status !== 'ready') return;
    const info = await client.info();
    const infoOf = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];
    const hasFile = infoOf('aof_enabled') === '1';
    // After a restart it has its file again.
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
