import { connectRedis, type RedisConnection, type RedisServer, startRedisServer } from '@maestro/redis';

/** A real Redis that tests kill and restart on the same port and data. */
export interface RedisProcess {
  readonly url: string;
  readonly dir: string;
  connect(timeoutMs?: number): Promise<RedisConnection>;
  /** kill -9: unsynced writes may be lost. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Closes the connections and ends Redis. */
  stop(): Promise<void>;
}

/** Starts a Redis with its data in `dir`. */
export async function startRedisProcess(dir: string): Promise<RedisProcess> {
  let server: RedisServer | undefined = await startRedisServer({ dir });
  const { url } = server;
  const open: RedisConnection[] = [];
  const connect = async (timeoutMs = 2000): Promise<RedisConnection> => {
    const connection = await connectRedis(url, { timeoutMs });
    open.push(connection);
    return connection;
  };
  return {
    url,
    dir,
    connect,
    kill: async () => {
      const probe = await connectRedis(url, { timeoutMs: 2000 });
      const pid = Number(/process_id:(\d+)/.exec(await probe.client.info('server'))![1]);
      probe.client.disconnect();
      process.kill(pid, 'SIGKILL');
      await server!.stop();
      server = undefined;
    },
    start: async () => {
      server = await startRedisServer({ dir, port: Number(new URL(url).port) });
    },
    stop: async () => {
      await Promise.all(open.map((connection) => connection.close()));
      await server?.stop();
    },
  };
}
