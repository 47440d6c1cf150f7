import { parseArgs } from 'node:util';
import { runFuzz } from './runFuzz.ts';

/** `npm run fuzz -- [--requests N] [--seed S] [--workers 0|1] [--json]`: hostile requests to a real coordinator; the last line is an object with the counts. */
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const [requests, seed] = [Number(values.requests), Number(values.seed)];
if (!Number.isSafeInteger(requests) || requests < 1 || !Number.isSafeInteger(seed) || seed < 0) {
  process.stderr.write('fuzz: --requests and --seed: expected whole numbers\n');
  process.exitCode = 2;
} else {
  const say = values.json ? () => undefined : (line: string) => void process.stdout.write(`${line}\n`);
  const { problems, outcomes, ...counts } = await runFuzz({ requests, seed, workers: values.workers === '0' ? 0 : 1, say });
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  say(
    Object.entries(outcomes)
      .sort(([, a], [, b]) => b - a)
      .map(([outcome, count]) => `  ${outcome}: ${count}`)
      .join('\n'),
  );
  process.stdout.write(`${JSON.stringify(counts)}\n`);
  if (counts.serverErrors + counts.crashes > 0) process.exitCode = 1;
}
