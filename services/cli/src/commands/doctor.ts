import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { DEVICES, type Device, errorMessage, isDevice, MaestroError } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../examples.ts';
import { networkLacks } from '../network/networkSupport.ts';

/** One thing that was looked at. `required` ones decide the exit code. */
interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly required: boolean;
  readonly detail: string;
}

const LEAST_NODE_MAJOR = 20;
const REDIS_TIMEOUT_MS = 3000;
const LEAST_FREE_BYTES = 1e9;

/** `maestro doctor`: whether this machine has what maestro needs, and what to do where it has not. */
export function addDoctorCommand(program: Command): void {
  const doctor = program
    .command('doctor')
    .description(
      'look at Node, Redis, ONNX Runtime, CUDA, WebGPU, memory, disk and network namespaces; exit code 1 when something that is needed is missing',
    )
    .option('--device <device>', 'cuda or webgpu makes that a need', 'cpu')
    .option('--json', 'print JSON')
    .action(async ({ device, json }: { device: string; json?: boolean }) => {
      if (!isDevice(device)) throw new MaestroError('invalid-argument', `doctor: --device ${device}: expected ${DEVICES.join(', ')}`);
      const findings = [
        nodeVersion(),
        await redis(),
        await runtime('cpu', true),
        await runtime('cuda', device === 'cuda'),
        await runtime('webgpu', device === 'webgpu'),
        memory(),
        await disk(),
        ...(await network()),
      ];
      const lines = findings.map(
        ({ name, ok, required, detail }) => `${ok ? 'ok     ' : required ? 'MISSING' : 'absent '}  ${name.padEnd(12)} ${detail}`,
      );
      process.stdout.write(`${json === true ? JSON.stringify(findings) : lines.join('\n')}\n`);
      if (findings.some(({ ok, required }) => required && !ok)) process.exitCode = 1;
    });
  withExamples(doctor, [
    ['maestro doctor', 'before the first cluster'],
    ['maestro doctor --device cuda', 'why an NVIDIA GPU is not used'],
    ['maestro doctor --device webgpu', 'why any other is not'],
  ]);
}

function nodeVersion(): Finding {
  const ok = Number(process.versions.node.split('.')[0]) >= LEAST_NODE_MAJOR;
  return { name: 'Node', ok, required: true, detail: `${process.version}${ok ? '' : `; install Node ${LEAST_NODE_MAJOR} or newer`}` };
}

async function redis(): Promise<Finding> {
  const { connectRedis, startRedisServer } = await import('@maestro/data');
  const url = process.env['REDIS_URL'];
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
        detail: `${version} ${url === undefined ? '(started here to try it)' : `at ${url}`}`,
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

async function runtime(device: Device, required: boolean): Promise<Finding> {
  const { describeLacks, diagnoseDevice, runtimeBuild } = await import('@maestro/engine');
  const { ok, findings } = await diagnoseDevice(device);
  const name = { cpu: 'ONNX Runtime', cuda: 'CUDA', webgpu: 'WebGPU' }[device];
  const here = findings.at(-1)?.found ?? JSON.stringify(runtimeBuild());
  const detail = ok ? here : describeLacks(findings, '\n                       ');
  return { name, ok, required, detail };
}

/** What `maestro up --network-namespaces` and `maestro chaos` can do to a network here. */
async function network(): Promise<Finding[]> {
  const { namespaces, delay, throttle } = await networkLacks();
  const uses = [
    ['Namespaces', namespaces, 'each process of `up --network-namespaces` gets an address of its own, and can be cut off'],
    ['Net delay', delay, 'links can be slow to deliver and lossy (netem, or a wire of our own over TAP devices)'],
    ['Net rate', throttle, 'links can be narrow (tbf)'],
  ] as const;
  return uses.map(([name, lack, detail]) => ({ name, ok: lack === undefined, required: false, detail: lack ?? detail }));
}

function memory(): Finding {
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  return {
    name: 'Machine',
    ok: true,
    required: false,
    detail: `${availableParallelism()} cores, ${gigabytes(freemem())} of ${gigabytes(totalmem())} memory free`,
  };
}

async function disk(): Promise<Finding> {
  const { bavail, bsize } = await statfs(process.cwd());
  const free = bavail * bsize;
  return { name: 'Disk', ok: free > LEAST_FREE_BYTES, required: false, detail: `${(free / 1e9).toFixed(1)} GB free in ${process.cwd()}` };
}
