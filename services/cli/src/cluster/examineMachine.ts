import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { describeLacks, diagnoseDevice, runtimeBuild } from '@maestro/engine';
import { describeNative } from '@maestro/native';
import { type Device, errorMessage, readEnvironment } from '@maestro/protocol';
import { connectRedis, startRedisServer } from '@maestro/redis';
import { redactLine } from '@maestro/telemetry';
import { networkLacks } from '../network/networkSupport.ts';

/** One check of the machine. `required` ones decide the exit code. */
export interface MachineFinding {
  readonly name: string;
  readonly ok: boolean;
  readonly required: boolean;
  readonly detail: string;
}

const LEAST_NODE_MAJOR = 20;
const REDIS_TIMEOUT_MS = 3000;
const LEAST_FREE_BYTES = 1e9;

/** Checks everything that maestro needs; `device` is required, others are optional. */
export async function examineMachine(device: Device): Promise<MachineFinding[]> {
  return [
    nodeVersion(),
    await redis(),
    await runtime('cpu', true),
    nativeOperators(),
    await runtime('cuda', device === 'cuda'),
    await runtime('webgpu', device === 'webgpu'),
    memory(),
    await disk(),
    ...(await network()),
  ];
}

function nodeVersion(): MachineFinding {
  const ok = Number(process.versions.node.split('.')[0]) >= LEAST_NODE_MAJOR;
  return { name: 'Node', ok, required: true, detail: `${process.version}${ok ? '' : `; install Node ${LEAST_NODE_MAJOR} or newer`}` };
}

async function redis(): Promise<MachineFinding> {
  const url = readEnvironment()['REDIS_URL'];
  const dir = await mkdtemp(join(tmpdir(), 'maestro-doctor-'));
  try {
    const server = url === undefined ? await startRedisServer({ dir }) : { url, stop: async () => undefined };
    try {
      const connection = await connectRedis(server.url, { timeoutMs: REDIS_TIMEOUT_MS });
      const version = /redis_version:(\S+)/.exec(await connection.client.info('server'))?.[1];
      await connection.close();
      return {
        name: 'Redis',
        ok: true,
        required: true,
        detail: `${version} ${url === undefined ? '(started here as a test)' : `at ${redactLine(url)}`}`,
      };
    } finally {
      await server.stop();
    }
  } catch (error) {
    return { name: 'Redis', ok: false, required: true, detail: errorMessage(error) };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function runtime(device: Device, required: boolean): Promise<MachineFinding> {
  const { ok, findings } = await diagnoseDevice(device);
  const name = { cpu: 'ONNX Runtime', cuda: 'CUDA', webgpu: 'WebGPU' }[device];
  const here = findings.at(-1)?.found ?? JSON.stringify(runtimeBuild());
  const detail = ok ? here : describeLacks(findings, '\n                       ');
  return { name, ok, required, detail };
}

function nativeOperators(): MachineFinding {
  const { version, isa, compiler, reason } = describeNative();
  const found = `version ${version}, ${isa}, ${compiler}${reason === undefined ? '' : `; ${reason}`}`;
  const detail = isa === undefined ? `${reason}; jobs of precision standard run without` : found;
  return { name: 'Operators', ok: isa !== undefined, required: false, detail };
}

/** Checks the network faults that `maestro up --network-namespaces` and `maestro chaos` can cause here. */
async function network(): Promise<MachineFinding[]> {
  const { namespaces, delay, throttle } = await networkLacks();
  const uses = [
    ['Namespaces', namespaces, '`up --network-namespaces` gives each process its own address and can cut it off'],
    ['Net delay', delay, 'links can be delayed and lossy (netem, or our own relay between TAP devices)'],
    ['Net rate', throttle, 'links can be bandwidth-limited (tbf)'],
  ] as const;
  return uses.map(([name, lack, detail]) => ({ name, ok: lack === undefined, required: false, detail: lack ?? detail }));
}

function memory(): MachineFinding {
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  return {
    name: 'Machine',
    ok: true,
    required: false,
    detail: `${availableParallelism()} cores, ${gigabytes(freemem())} of ${gigabytes(totalmem())} memory free`,
  };
}

async function disk(): Promise<MachineFinding> {
  const { bavail, bsize } = await statfs(process.cwd());
  const free = bavail * bsize;
  return { name: 'Disk', ok: free > LEAST_FREE_BYTES, required: false, detail: `${(free / 1e9).toFixed(1)} GB free in ${process.cwd()}` };
}
