import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { hasTorch, PYTHON } from '../bench/python.ts';

const TIMEOUT_MS = 900_000;

/** Times PyTorch on the same model, weights and batches: what `torch_peer.py` prints, or why it was not run. */
export function timeTorch(device: string, batches: readonly number[], runs: number): Promise<unknown> {
  if (!hasTorch()) return Promise.resolve({ skipped: `no torch in ${PYTHON}: set PYTHON to an interpreter that has it` });
  const script = fileURLToPath(new URL('../../gpu/torch_peer.py', import.meta.url));
  return new Promise((resolve) => {
    execFile(
      PYTHON,
      [script, device, batches.join(','), String(runs)],
      { timeout: TIMEOUT_MS, maxBuffer: 1 << 24 },
      (error, stdout, stderr) =>
        resolve(error === null ? JSON.parse(stdout) : { skipped: stderr.trim().split('\n').at(-1) ?? error.message }),
    );
  });
}
