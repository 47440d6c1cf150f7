// Writes times.json, by which longestFirst.cjs orders test files, from what jest says of a run:
//
//   npm test -- --json --outputFile=/tmp/run.json && node tests/jest/keepTimes.mjs /tmp/run.json
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The order of shorter ones does not matter. */
const LEAST_SECONDS = 3;

const { testResults } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const times = testResults
  .map(({ name, startTime, endTime }) => [relative(ROOT, name), Math.round((endTime - startTime) / 1000)])
  .filter(([, seconds]) => seconds >= LEAST_SECONDS)
  .sort(([, a], [, b]) => b - a);
writeFileSync(new URL('times.json', import.meta.url), `${JSON.stringify(Object.fromEntries(times), undefined, 2)}\n`);
