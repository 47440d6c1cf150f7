import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { hashOf, openTestCluster } from '../support/cluster/testCluster.ts';
import { CASES, type HashCase } from './cases.ts';

/**
 * `npm run hashes -- [--only NAME]... [--expect FILE] [--json]`: what one small job of each kind ends with, on one and on three workers.
 * Run before and after a change that is not meant to alter numbers, with `--expect` the output of the first; bits depend on the processor's
 * vector instructions too, so that both must be of one machine.
 */
const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, expect: { type: 'string' }, json: { type: 'boolean' } },
});
const expected: Readonly<Record<string, string>> = values.expect === undefined ? {} : JSON.parse(await readFile(values.expect, 'utf8'));
const wanted = CASES.filter(({ name }) => values.only === undefined || values.only.includes(name));
const unknown = (values.only ?? []).filter((name) => !CASES.some((each) => each.name === name));

if (unknown.length > 0) {
  process.stderr.write(`hashes: ${unknown.join(', ')}: unknown; there are ${CASES.map(({ name }) => name).join(', ')}\n`);
  process.exitCode = 2;
} else {
  const found: Record<string, string> = {};
  const cluster = await openTestCluster({ name: 'hashes' });
  try {
    for (const each of wanted) {
      const alone = await outcome(each, 1);
      const together = await outcome(each, 3);
      const isEqual = alone === together && (expected[each.name] ?? alone) === alone;
      found[each.name] = alone;
      if (!isEqual) process.exitCode = 1;
      if (values.json !== true)
        process.stdout.write(`${each.name.padEnd(24)} ${alone}${isEqual ? '' : differences(alone, together, expected[each.name])}\n`);
    }
  } finally {
    await cluster.stop();
  }
  if (values.json === true) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);

  /** The hash of the last checkpoint, or the results of a job that writes none. */
  async function outcome({ spec, steps, measures }: HashCase, workers: number): Promise<string> {
    const resources = { virtualRanks: 8, minWorkers: measures === true ? 1 : workers, maxWorkers: measures === true ? 1 : workers };
    const trained = await cluster.watch(await cluster.client.submitJob({ spec: { ...spec(cluster.path), resources } }));
    const hash = hashOf(trained, steps);
    if (measures !== true) return hash;
    const knn = {
      recipe: 'knn',
      data: { format: 'idx', path: cluster.path },
      checkpoint: { resumeFrom: trained.checkpoints.at(-1)!.path },
    };
    const { state, message, results } = await cluster.watch(await cluster.client.submitJob({ spec: knn }));
    return state === 'succeeded' ? `accuracy ${results?.['knnAccuracy']}` : message;
  }
}

function differences(alone: string, together: string, before: string | undefined): string {
  return [
    ...(alone === together ? [] : [`  DIFFERS on three workers: ${together}`]),
    ...((before ?? alone) === alone ? [] : [`  DIFFERS from ${before}`]),
  ].join('');
}
