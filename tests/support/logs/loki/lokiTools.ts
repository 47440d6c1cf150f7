import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chmod, cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { fileOf } from '../../repository.ts';

const MODULE = 'github.com/grafana/loki/v3';
const VERSION = 'v3.7.8';
/** A folder of Loki's repository that its module leaves out. */
const PUSH_MODULE = 'github.com/grafana/loki/pkg/push';

const ENGINE = fileOf('tests/support/logs/loki/engine.go');

const run = promisify(execFile);

/** Loki's own programs: its command line, and its query engine behind a few lines of ours (`engine.go`). */
export interface LokiTools {
  readonly logcli: string;
  readonly engine: string;
}

/**
 * Finds Loki's module on this machine, or the reason why it is unavailable. Programs not built yet are built only on request: that may take
 * most of an hour on two cores.
 */
export async function findLoki(): Promise<{ readonly dir: string } | { readonly reason: string }> {
  if (process.env['MAESTRO_LOKI_BUILD'] !== '1' && !(await isThere(await builtFolder())))
    return { reason: "Loki's programs are not built here; MAESTRO_LOKI_BUILD=1 builds them, which takes 5 to 60 minutes" };
  try {
    await run('go', ['version']);
  } catch {
    return { reason: 'there is no Go here' };
  }
  try {
    const { stdout } = await run('go', ['mod', 'download', '-json', `${MODULE}@${VERSION}`], { cwd: tmpdir() });
    return { dir: (JSON.parse(stdout) as { readonly Dir: string }).Dir };
  } catch {
    return { reason: `${MODULE} cannot be downloaded` };
  }
}

/**
 * Builds the programs from a copy of the module, or returns those built before. `go install` refuses the module because of its
 * replacements; only one of these names a missing folder. Takes 5 to 40 minutes.
 */
export async function buildLokiTools(moduleDir: string): Promise<LokiTools> {
  const cache = await builtFolder();
  const tools = { logcli: join(cache, 'logcli'), engine: join(cache, 'engine') };
  if (await isThere(cache)) return tools;
  // Always the same folder: after an interruption, Go's cache still knows what it has compiled there.
  const copy = `${cache}.source`;
  await rm(copy, { recursive: true, force: true });
  try {
    await mkdir(dirname(copy), { recursive: true });
    await cp(moduleDir, copy, { recursive: true });
    await makeWritable(copy);
    await mkdir(join(copy, 'cmd', 'engine'));
    await cp(ENGINE, join(copy, 'cmd', 'engine', 'main.go'));
    const go = (...args: string[]) => run('go', args, { cwd: copy, maxBuffer: 64 * 1024 * 1024 });
    await go('mod', 'edit', `-dropreplace=${PUSH_MODULE}`);
    const out = join(copy, 'built');
    await mkdir(out);
    await go('build', '-mod=mod', '-buildvcs=false', '-o', `${out}/`, './cmd/logcli', './cmd/engine');
    await cp(out, `${cache}.new`, { recursive: true });
    await rename(`${cache}.new`, cache);
    return tools;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** Returns the folder of this version's programs once they are built: outside the tree, so that they outlive a clone. */
async function builtFolder(): Promise<string> {
  const hash = createHash('sha256').update(VERSION);
  const key = hash
    .update(await readFile(ENGINE))
    .digest('hex')
    .slice(0, 16);
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'maestro-tests', `loki-${key}`);
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Files of the module cache are read-only, and so are copies of them. */
async function makeWritable(dir: string): Promise<void> {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) await makeWritable(path);
    else await chmod(path, 0o644);
  }
}

/** A line of a stream, as in a push. */
export interface LokiEntry {
  readonly ns: bigint;
  readonly line: string;
}

/** Streams, and the queries to evaluate over them. */
export interface EngineInput {
  readonly streams: readonly { readonly labels: Readonly<Record<string, string>>; readonly entries: readonly LokiEntry[] }[];
  readonly queries: readonly { readonly query: string; readonly startNs: bigint; readonly endNs: bigint; readonly stepNs: bigint }[];
}

/** Answer of Loki's engine: a result in the form of its HTTP API, or an error. */
export interface EngineAnswer {
  readonly resultType?: string;
  readonly result?: readonly unknown[];
  /** The query as formatted by `format_query`. */
  readonly formatted?: string;
  readonly error?: string;
}

/** Evaluates queries with Loki's engine. */
export async function evaluateWithLoki(engine: string, { streams, queries }: EngineInput): Promise<readonly EngineAnswer[]> {
  const labelsText = (labels: Readonly<Record<string, string>>): string =>
    `{${Object.entries(labels)
      .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      .join(',')}}`;
  const input = {
    streams: streams.map(({ labels, entries }) => ({ labels: labelsText(labels), entries })),
    queries: queries.map((query) => ({ ...query, limit: 5000 })),
  };
  // Nanoseconds exceed the range of a JavaScript number, and are numbers in Go's JSON.
  const text = JSON.stringify(input, (_, value: unknown) => (typeof value === 'bigint' ? `ns:${value}` : value)).replace(
    /"ns:(\d+)"/g,
    '$1',
  );
  const child = spawn(engine, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(text);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    output += part;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`the engine ended with exit code ${code}`);
  return (JSON.parse(output) as EngineAnswer[]).map((answer) =>
    answer.resultType === 'streams' ? { ...answer, result: (answer.result as readonly EngineStream[]).map(asInHttp) } : answer,
  );
}

/** A stream as encoded by Go. */
interface EngineStream {
  readonly stream: Readonly<Record<string, string>>;
  readonly values: readonly { readonly Timestamp: string; readonly Line: string }[];
}

/** Times of the lines here are whole milliseconds. */
function asInHttp({ stream, values }: EngineStream): object {
  return { stream, values: values.map(({ Timestamp, Line }) => [String(BigInt(Date.parse(Timestamp)) * 1_000_000n), Line]) };
}
