import { connectRedis } from '@maestro/data';

/** The process id of the Redis at `url`: for tests that end it as a crash would. */
export async function redisPid(url: string): Promise<number> {
  const redis = await connectRedis(url, { timeoutMs: 5000 });
  try {
    return Number(/process_id:(\d+)/.exec(await redis.client.info('server'))![1]);
  } finally {
    await redis.close();
  }
}
