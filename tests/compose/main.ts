import { parseArgs } from 'node:util';
import { findMeans, installMeans } from './means.ts';
import { countLine, openReport } from './report.ts';
import { testCompose } from './testCompose.ts';

/**
 * `npm run test:compose -- [--install] [--offline]`: builds the images, brings docker-compose.yml up and trains jobs on it, harms it, and
 * takes it down. The last line is the count of steps: "N passed, N failed, N skipped".
 */
const { values } = parseArgs({ options: { install: { type: 'boolean', default: false }, offline: { type: 'boolean', default: false } } });
const report = openReport();
const lack = values.install ? await installMeans() : undefined;
const means = await findMeans();
if (typeof means === 'string') {
  report.print(`the compose test is skipped: ${[means, lack].filter(Boolean).join('; ')}`);
  report.print('0 passed, 0 failed, 1 skipped');
} else {
  const startMs = performance.now();
  await testCompose(report, { means, isOffline: values.offline });
  report.print(`${((performance.now() - startMs) / 1000).toFixed(0)} s in all`);
  report.print(countLine(report.counts));
  process.exitCode = report.counts.failed === 0 ? 0 : 1;
}
