import { resolve } from 'node:path';
import { DEVICES, errorMessage, isDevice, isRunning, MaestroError, readEnvironment } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { networkLacks } from '../network/networkSupport.ts';
import { readClusterFile, removeClusterFile, writeClusterFile } from '../terminal/connection.ts';
import { portNumber, positiveInteger } from '../terminal/options.ts';

const POLL_MS = 100;
const DOWN_TIMEOUT_MS = 30_000;
const DEFAULT_PORT = 7070;
const DEFAULT_HTTP_PORT = 7080;

interface UpOptions {
  readonly workers: number;
  readonly threads: number;
  readonly device: string;
  readonly port: number;
  readonly httpPort?: number;
  readonly networkNamespaces?: boolean;
}

/** Adds `maestro up` and `maestro down`: a cluster on this machine. */
export function addUpCommands(program: Command): void {
  const up = program
    .command('up')
    .description('start redis, a coordinator and workers on this machine; Ctrl-C stops them all')
    .option('--workers <n>', 'worker processes', positiveInteger, 2)
    .option('--threads <n>', "threads per worker; part of a job's identity", positiveInteger, 1)
    .option('--device <device>', 'cpu, cuda or webgpu', 'cpu')
    .option('--port <port>', 'port of the coordinator; 0 picks a free one', portNumber, DEFAULT_PORT)
    .option(
      '--http-port <port>',
      `port of the dashboard and the HTTP API; 0 picks a free one (default: ${DEFAULT_HTTP_PORT}, or 0 with --port 0)`,
      portNumber,
    )
    .option('--network-namespaces', 'give each process its own network namespace and address; needs root on Linux')
    .action(async ({ workers, threads, device, port, httpPort, networkNamespaces = false }: UpOptions) => {
      // The cluster ends with this process, which must survive a full disk, a reader that leaves and a closed terminal.
      for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error').on('error', () => undefined);
      const dataDir = resolve(program.opts<{ dataDir: string }>().dataDir);
      const running = await readClusterFile(dataDir);
      if (running !== undefined) {
        throw new MaestroError(
          'conflict',
          `up: a cluster is already running (process ${running.pid}, ${running.coordinator}); stop it with \`maestro down\`, or choose ` +
            'another --data-dir',
        );
      }
      if (!isDevice(device)) throw new MaestroError('invalid-argument', `up: --device ${device}: expected ${DEVICES.join(', ')}`);
      const lacks = networkNamespaces ? await networkLacks() : {};
      if (lacks.namespaces !== undefined) throw new MaestroError('unavailable', `up: no network namespaces: ${lacks.namespaces}`);
      const { startCluster } = await import('../cluster/cluster.ts');
      const { redactLine } = await import('@maestro/telemetry');
      let recorded: Promise<unknown> = Promise.resolve();
      let record = (): void => undefined;
      const cluster = await startCluster({
        workers,
        threads,
        device,
        port,
        httpPort: httpPort ?? (port === 0 ? 0 : DEFAULT_HTTP_PORT),
        dataDir,
        redisUrl: readEnvironment()['REDIS_URL'],
        networkNamespaces,
        supervise: true,
        onChange: (sentence) => {
          process.stdout.write(`${sentence}\n`);
          record();
        },
      });
      const { coordinator, http, redisUrl, network, notice } = cluster;
      record = () => {
        const { processes } = cluster;
        const file = {
          coordinator,
          http,
          redisUrl,
          device,
          threads,
          processes,
          ...(network && { network: { ...network, lacks } }),
        };
        const written = recorded.then(() => writeClusterFile(dataDir, file));
        recorded = written.catch((error: unknown) => process.stderr.write(`maestro: up: ${errorMessage(error)}\n`));
      };
      record();
      await recorded;
      process.stdout.write(`coordinator at ${coordinator}, redis at ${redactLine(redisUrl)}, data in ${dataDir}\n`);
      process.stdout.write(`dashboard at http://${http}/\n`);
      for (const { name, pid } of cluster.processes) process.stdout.write(`  ${name}  process ${pid}\n`);
      if (notice !== undefined) process.stdout.write(`${notice}\n`);
      process.stdout.write('ready; submit a job from another terminal with `maestro submit FILE --follow`; Ctrl-C stops the cluster\n');
      await new Promise<void>((done) => {
        process.once('SIGINT', () => done());
        process.once('SIGTERM', () => done());
      });
      process.stdout.write('stopping\n');
      await cluster.stop();
      await recorded;
      await removeClusterFile(dataDir);
    });
  withExamples(up, [
    ['maestro up', 'Redis, a coordinator and two workers; Ctrl-C stops them'],
    ['maestro up --workers 4 --threads 2', 'more of them'],
    ['maestro up --port 0 --data-dir /tmp/try', 'a second cluster on the same machine'],
  ]);

  const down = program
    .command('down')
    .description('stop the cluster that `maestro up` started')
    .action(async () => {
      const dataDir = resolve(program.opts<{ dataDir: string }>().dataDir);
      const running = await readClusterFile(dataDir);
      if (running === undefined) throw new MaestroError('not-found', `down: no cluster is running with the data folder ${dataDir}`);
      process.kill(running.pid, 'SIGTERM');
      const deadlineMs = Date.now() + DOWN_TIMEOUT_MS;
      while (isRunning(running)) {
        if (Date.now() > deadlineMs)
          throw new MaestroError('timeout', `down: process ${running.pid} did not exit within ${DOWN_TIMEOUT_MS / 1000} s`);
        await new Promise((done) => setTimeout(done, POLL_MS));
      }
      await removeClusterFile(dataDir);
      process.stdout.write('stopped\n');
    });
  withExamples(down, [['maestro down', 'jobs continue with the next `maestro up`']]);
}
