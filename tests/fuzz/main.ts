import { parseArgs } from 'node:util';
import { runControlFuzz } from './runControlFuzz.ts';
import { runFuzz } from './runFuzz.ts';

/**
 * `npm run fuzz -- [--requests N] [--seed S] [--workers 0|1] [--json]`: hostile requests to a real coordinator; with
 * `--control [--messages N]` hostile messages on workers' control streams, while real jobs run beside. The last line is an object with the
 * counts.
 */
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '1' },
    control: { type: 'boolean', default: false },
    messages: { type: 'string', default: '10000' },
    json: { type: 'boolean', default: false },
  },
});
const [requests, seed, messages] = [Number(values.requests), Number(values.seed), Number(values.messages)];
const say = values.json ? () => undefined : (line: string) => void process.stdout.write(`${line}\n`);
if (![requests, messages].every((count) => Number.isSafeInteger(count) && count > 0) || !Number.isSafeInteger(seed) || seed < 0) {
  process.stderr.write('fuzz: --requests, --messages and --seed: expected whole numbers\n');
  process.exitCode = 2;
} else if (values.control) {
  const { problems, ...counts } = await runControlFuzz({ messages, seed, say });
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.stdout.write(`${JSON.stringify({ ...counts, problems: problems.length })}\n`);
  if (problems.length > 0) process.exitCode = 1;
} else {
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
