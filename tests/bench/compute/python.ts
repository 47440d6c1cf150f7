import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The Python used for peers: PYTHON, or `python3`. */
export const PYTHON = process.env['PYTHON'] ?? 'python3';

/** Returns true when that Python has torch. */
export function hasTorch(): boolean {
  return spawnSync(PYTHON, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0;
}

/** Returns the path of a script next to the sources of the benches. */
export function scriptPath(name: string): string {
  return fileURLToPath(new URL(`../../../bench/compute/${name}`, import.meta.url));
}

/** A Python script that answers each line with a line. */
export interface LineServer {
  ask(line: string): Promise<string>;
  close(): void;
}

/** Starts a line-serving script of this folder. */
export function startLineServer(script: string, args: readonly string[]): LineServer {
  const child: ChildProcess = spawn(PYTHON, [scriptPath(script), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return {
    async ask(line) {
      child.stdin!.write(`${line}\n`);
      const { value, done } = await answers.next();
      if (done === true) throw new Error(`${script} ended`);
      return value;
    },
    close: () => void child.stdin!.end(),
  };
}
