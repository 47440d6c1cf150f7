import { mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import type { Browser } from 'playwright-core';
import sharp from 'sharp';
import { CHROMIUM, NO_CHROMIUM, pictureDrawn, startBrowser } from '../support/browser/browser.ts';
import { eventually } from '../support/eventually.ts';

/** Draws the dashboard's pictures for the documentation: a real job on Fashion-MNIST, which loses a worker and gets it back. */
const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '.maestro/data/fashion-mnist' },
    out: { type: 'string', default: 'docs/images' },
    steps: { type: 'string', default: '640' },
  },
});
const MOST_BYTES = 300_000;
const PATIENCE = { timeoutMs: 400_000, pollMs: 200 };
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 375, height: 812 };

if (CHROMIUM === undefined) throw new Error(NO_CHROMIUM);
const source = resolve(values.data);
await stat(source).catch(() => {
  throw new Error(`${source} is not there: \`npm run demo\` gets Fashion-MNIST, or name another folder of IDX files with --data`);
});
const out = resolve(values.out);
await mkdir(out, { recursive: true });
const dir = await mkdtemp(join(tmpdir(), 'maestro-screenshots-'));
// Pages show the path of the data: that of this machine is nobody's business.
const data = join(dir, 'fashion-mnist');
await symlink(source, data);
const cluster = await startCluster({ workers: 2, dataDir: dir, env: { MAESTRO_RECONSTRUCTION_SECONDS: '5' } });
const client = connectJobClient(cluster.coordinator);
const browser = await startBrowser();
try {
  const steps = Number(values.steps);
  const { id } = await client.submitJob({
    spec: {
      name: 'fashion-mnist',
      model: { preset: 'mae_vit_tiny_patch4', imageSize: 32, channels: 1, normPixLoss: false },
      data: { format: 'idx', path: data },
      augment: { scale: [0.6, 1] },
      schedule: { steps, baseLr: 4e-3, microBatch: 8 },
      resources: { virtualRanks: 8, minWorkers: 1, maxWorkers: 2 },
      checkpoint: { everySteps: Math.ceil(steps / 10) },
    },
  });
  const atStep = (step: number) =>
    eventually(`step ${step}`, async () => ((await client.getJob(id)).progress?.step ?? 0) >= step, PATIENCE);
  await atStep(steps * 0.3);
  cluster.kill('worker-b');
  await cluster.ended('worker-b');
  await atStep(steps * 0.4);
  await cluster.restart('worker-b');
  await atStep(steps * 0.7);
  await picture(browser, 'job-desktop-light', `/jobs/${id}`, { ...DESKTOP, height: 1180 }, 'light');
  await picture(browser, 'job-phone-dark', `/jobs/${id}`, PHONE, 'dark');
  await picture(browser, 'job-history', `/jobs/${id}/history`, DESKTOP, 'light');
  await picture(browser, 'job-logs', `/jobs/${id}/logs`, DESKTOP, 'light');
  await picture(browser, 'submit', '/submit', DESKTOP, 'light');
} finally {
  await browser.close();
  client.close();
  await cluster.stop();
  await rm(dir, { recursive: true, force: true });
}

/** Draws one page when it has what it waits for, with few enough colours to be small. */
async function picture(
  from: Browser,
  name: string,
  path: string,
  viewport: { readonly width: number; readonly height: number },
  colorScheme: 'light' | 'dark',
): Promise<void> {
  const page = await from.newPage({ viewport, colorScheme, locale: 'en-GB' });
  page.setDefaultTimeout(60_000);
  await page.goto(`http://${cluster.http}${path}`);
  await page.locator('main .panel').first().waitFor();
  if (/^\/jobs\/[^/]+$/.test(path)) {
    await page.locator('.chart canvas').nth(2).waitFor();
    await pictureDrawn(page, '.picture img');
    await page.locator('.timeline-row').first().waitFor();
  }
  if (path.endsWith('/logs')) await page.locator('.log-line').nth(4).waitFor();
  if (path.endsWith('/history')) {
    await page.locator('.view').nth(1).waitFor();
    await page.getByRole('button', { name: 'Audit now' }).click();
    await page.locator('.audit .badge').waitFor();
  }
  if (path === '/submit') {
    await page.locator('[name="data.path"]').fill(data);
    await page.locator('[name="schedule.epochs"]').fill('20');
    await page.locator('[name="model.preset"]').selectOption('mae_vit_tiny_patch4');
    await page.locator('[name="model.imageSize"]').fill('32');
    await page.getByText('mae_vit_tiny_patch4', { exact: true }).last().waitFor();
    await page.evaluate('document.activeElement.blur(); scrollTo(0, 0)');
    await page.getByText('The coordinator would accept this job.').waitFor();
  }
  const file = join(out, `${name}.png`);
  const { size } = await sharp(await page.screenshot())
    .png({ palette: true, colours: 128, compressionLevel: 9 })
    .toFile(file);
  await page.close();
  process.stdout.write(`${file}: ${Math.round(size / 1000)} kB\n`);
  if (size > MOST_BYTES) throw new Error(`${file} has ${size} bytes, more than ${MOST_BYTES}`);
}
