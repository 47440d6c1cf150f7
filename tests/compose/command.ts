import { spawn } from 'node:child_process';
import { MaestroError } from '@maestro/protocol';

const LAST_LINES = 15;

/** How {@link runCommand} runs a program. */
export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What it reads from standard input. Default: nothing. */
  readonly input?: string | Uint8Array;
  /** After it the program is killed. Default: five minutes. */
  readonly timeoutMs?: number;
}

/**
 * Runs a program to its end and gives what it wrote to standard output.
 * @throws MaestroError `internal` with the last lines of what it said, when it fails or takes too long.
 */
export async function runCommand(
  [program, ...args]: readonly string[],
  { env = {}, cwd, input, timeoutMs = 300_000 }: CommandOptions = {},
): Promise<string> {
  const child = spawn(program!, args, {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    ...(cwd !== undefined && { cwd }),
  });
  // One that ends before it has read all is judged by its exit code.
  child.stdin.once('error', () => undefined).end(input);
  let [stdout, all] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    all += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    all += text;
  });
  const outcome = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : signal === null ? `exit code ${code}` : `${signal}`));
  });
  if (outcome === undefined) return stdout;
  const said = all.trimEnd().split('\n').slice(-LAST_LINES).join('\n');
  throw new MaestroError('internal', `${[program, ...args].join(' ').slice(0, 200)}: ${outcome}\n${said}`);
}

/** Whether a program can be run and succeeds. */
export function succeeds(command: readonly string[], options?: CommandOptions): Promise<boolean> {
  return runCommand(command, options).then(
    () => true,
    () => false,
  );
}
