import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PYTHON } from '../bench/compute/python.ts';
import type { CheckPlan } from './checkPlan.ts';

const TIMEOUT_MS = 1_800_000;

/** What `torch_peer.py` told: what runs, and a result for each batch, precision and way. `stopped` says why there are not all of them. */
export interface TorchTimes {
  readonly [fact: string]: unknown;
  readonly results: readonly unknown[];
  readonly stopped?: string;
}

/** Times PyTorch on the same model, weights and batches; or says why it was not run. What was told before it failed is kept. */
export async function timeTorch({
  device,
  timedModel,
  batches,
  runs,
}: Pick<CheckPlan, 'device' | 'timedModel' | 'batches' | 'runs'>): Promise<TorchTimes | { readonly skipped: string }> {
  const script = fileURLToPath(new URL('../../gpu/torch_peer.py', import.meta.url));
  const { stdout, stopped } = await run([script, device, timedModel, batches.join(','), String(runs)]);
  const [facts, ...results] = stdout
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  if (facts !== undefined) return { ...facts, results, ...(stopped !== undefined && { stopped }) };
  if (stopped !== undefined && /No module named|ENOENT/.test(stopped)) {
    return { skipped: `${PYTHON} has no torch (${stopped}): set PYTHON to an interpreter that has it` };
  }
  return { skipped: `${PYTHON} could not run the comparison: ${stopped}` };
}

function run(args: readonly string[]): Promise<{ readonly stdout: string; readonly stopped: string | undefined }> {
  return new Promise((resolve) => {
    // gpu-check.sh adds folders for ONNX Runtime, in which PyTorch might find libraries of another version than its own.
    const env = { ...process.env, LD_LIBRARY_PATH: process.env['PEER_LIBRARY_PATH'] ?? process.env['LD_LIBRARY_PATH'] };
    const child = execFile(PYTHON, [...args], { env, timeout: TIMEOUT_MS, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      process.removeListener('exit', stop);
      const reason = error?.killed ? `it took longer than ${TIMEOUT_MS / 1000} s` : stderr.trim().split('\n').at(-1) || error?.message;
      resolve({ stdout, stopped: error === null ? undefined : reason });
    });
    const stop = (): void => void child.kill();
    process.once('exit', stop);
  });
}
