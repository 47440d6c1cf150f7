import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Most characters of what a process printed beside its answers that an error repeats. */
const TAIL = 600;

/** A process that answers each line of JSON with one. */
export interface LineProcess {
  /** What it told when it was ready. */
  readonly ready: Answer;
  /** Asks and waits for the answer. Rejects when that is an error, or the process has ended. */
  ask(question: object): Promise<Answer>;
  /** Lets it end, and waits for that. */
  close(): Promise<void>;
}

/** An answer; which fields it has is known to who asks. */
export type Answer = Readonly<Record<string, unknown>>;

/** The path of a peer's Python script, which lies beside the sources. */
export function peerScript(name: string): string {
  return fileURLToPath(new URL(`../../../bench/peers/${name}`, import.meta.url));
}

/** Starts a process and waits until it says that it is ready. */
export async function startLineProcess(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<LineProcess> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const name = args.find((each) => /\.(js|py)$/.test(each)) ?? command;
  let tail = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-TAIL);
  });
  // Told by the end of its answers.
  child.stdin.on('error', () => undefined);
  const exited = once(child, 'close');
  exited.catch(() => undefined);
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<Answer> => {
    const { value, done } = await answers.next();
    if (done === true) throw new Error(`${name} ended: ${tail.trim()}`);
    const answer = JSON.parse(value) as Answer;
    if (answer['error'] !== undefined) throw new Error(String(answer['error']));
    return answer;
  };
  const ready = await next().catch((error: unknown) => {
    child.kill();
    throw error;
  });
  return {
    ready,
    ask(question) {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      return next();
    },
    async close() {
      child.stdin.end();
      await exited;
    },
  };
}
