import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import type { Browser, Page } from 'playwright-core';
import { writeBlobs } from '../support/blobs.ts';
import { CHROMIUM, complaintsOf, NO_CHROMIUM, pictureDrawn, startBrowser } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { faintTexts, sidewaysOverflow } from '../support/pageChecks.ts';

const TIMEOUT_MS = 300_000;
const PHONE = { width: 375, height: 812 };

let dir: string;
let data: string;
let cluster: Cluster;
let browser: Browser;
let page: Page;
let complaints: string[];
let jobPath = '';

/** Tests in a browser are left out, with the reason in their name, where there is none. */
const inBrowser = (name: string, run: () => Promise<void>) =>
  CHROMIUM === undefined ? test.skip(`${name} (${NO_CHROMIUM})`, run, TIMEOUT_MS) : test(name, run, TIMEOUT_MS);

const url = (path: string) => `http://${cluster.http}${path}`;
const textOf = async (selector: string) => (await page.locator(selector).allInnerTexts()).join('\n');

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-dashboard-'));
  data = await writeBlobs(join(dir, 'blobs'), { count: 256 });
  cluster = await startCluster({ workers: 2, dataDir: join(dir, 'cluster'), env: { MAESTRO_RECONSTRUCTION_SECONDS: '1' } });
  if (CHROMIUM === undefined) return;
  browser = await startBrowser();
  page = await browser.newPage({ viewport: { width: 1280, height: 900 }, locale: 'en-GB' });
  page.setDefaultTimeout(60_000);
  complaints = complaintsOf(page);
}, TIMEOUT_MS);

afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}, TIMEOUT_MS);

test('pages come with a content policy that allows nothing inline, and only the files of the dashboard are served', async () => {
  for (const path of ['/', '/jobs/any', '/jobs/any/logs', '/workers', '/submit', '/login']) {
    const response = await fetch(url(path));
    expect([path, response.status, response.headers.get('content-type')]).toEqual([path, 200, 'text/html; charset=utf-8']);
    const policy = response.headers.get('content-security-policy')!;
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
  }
  for (const path of ['main.js', 'styles/tokens.css', 'uplot/uPlot.esm.js', 'yaml/index.js']) {
    expect([path, (await fetch(url(`/assets/${path}`))).status]).toEqual([path, 200]);
  }
  for (const path of ['types/api.d.ts', 'dist/api.d.ts', 'tsconfig.json', '..%2fpackage.json', '%2e%2e/package.json', 'nothing.js']) {
    expect([path, (await fetch(url(`/assets/${path}`))).status]).toEqual([path, 404]);
  }
});

inBrowser('empty pages say what to do', async () => {
  await page.goto(url('/'));
  await page.getByText('No jobs yet').waitFor();
  expect(await textOf('main')).toContain('maestro submit job.yaml --follow');
});

inBrowser('the form shows the own messages of the server at the fields, and submits', async () => {
  await page.goto(url('/submit'));
  await page.getByLabel('steps', { exact: true }).fill('many');
  await page.locator('.field:has([name="schedule.steps"]) .field-error').waitFor();
  expect(await textOf('.field:has([name="schedule.steps"])')).toContain('expected number, found "many"');
  await page.locator('.field:has([name="data.path"]) .field-error').waitFor();
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.locator('[aria-invalid="true"]:focus').waitFor();

  const fields = {
    name: 'blobs',
    'data.path': data,
    'schedule.steps': '60000',
    'schedule.microBatch': '8',
    'schedule.baseLr': '2e-3',
    'schedule.windowSteps': '4',
    'model.imageSize': '16',
    'model.embedDim': '48',
    'resources.maxWorkers': '2',
    'checkpoint.everySteps': '100',
  };
  await page.locator('[name="data.format"]').selectOption('idx');
  await page.locator('[name="model.preset"]').selectOption('mae_vit_tiny_patch4');
  await page.getByText('Checkpoint', { exact: true }).click();
  for (const [name, value] of Object.entries(fields)) await page.locator(`[name="${name}"]`).fill(value);
  await page.getByText('The coordinator would take this job.').waitFor();
  expect(await textOf('.side')).toContain('64 images');

  await page.getByRole('button', { name: 'YAML or JSON' }).click();
  expect(await page.getByRole('textbox', { name: 'Job file' }).inputValue()).toContain('steps: 60000');
  await page.getByRole('button', { name: 'Form' }).click();
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL('**/jobs/job-*');
  jobPath = new URL(page.url()).pathname;
});

inBrowser('the job page shows the loss move, its curve, the phases of each worker and a reconstruction, without a reload', async () => {
  await page.evaluate('window.isTheSamePage = true');
  await page.locator('.badge', { hasText: 'running' }).waitFor();
  const step = async () => Number((await textOf('.job-progress strong')).replace(/,/g, ''));
  const loss = () => textOf('.tile:first-child dd:nth-of-type(1)');
  const first = await eventually('steps', async () => (await step()) > 0 && { step: await step(), loss: await loss() });
  await eventually('the loss to move', async () => (await step()) > first.step + 50 && (await loss()) !== first.loss);

  const curve = page.locator('[aria-label="Loss"] .chart-plot');
  await eventually('a curve', async () => /from .* at step \d+ to .* at step \d{2}/.test((await curve.getAttribute('aria-label'))!));
  expect(await curve.locator('canvas').count()).toBe(1);
  await page.getByRole('button', { name: 'Loss: logarithmic axis' }).click();
  await page.locator('[aria-label="Loss: logarithmic axis"][aria-pressed="true"]').waitFor();

  await eventually('both workers in the timeline', async () => /worker-a[\s\S]*worker-b/.test(await textOf('.timeline tbody')));
  await pictureDrawn(page, '.picture img');
  expect(await page.evaluate('window.isTheSamePage')).toBe(true);
});

inBrowser('a worker that is killed is named: in the view history, in the events, and in the sentence on top', async () => {
  cluster.kill('worker-b');
  await eventually(
    'the sentence',
    async () => (await textOf('.job-reason')).includes('training on worker-a') && !(await textOf('.job-reason')).includes('worker-b'),
  );
  await page.getByRole('link', { name: 'History' }).click();
  await page.getByText('worker-b left').waitFor();
  await page.locator('.events .badge', { hasText: 'lost' }).waitFor();
  expect(await textOf('.events')).toContain('worker-b');
  await page.getByRole('button', { name: 'Audit now' }).click();
  await page.getByText('every sample exactly once').waitFor();
});

inBrowser('log lines are filtered, and the address alone brings the same filters back', async () => {
  await page.getByRole('link', { name: 'Logs' }).click();
  await page.locator('.log-line').first().waitFor();
  await page.locator('.histogram i').first().waitFor();
  const before = await page.locator('.log-line').count();
  await page.locator('[name="worker"]').selectOption('worker-a');
  await page.locator('[name="search"]').fill('checkpoint w');
  const filtered = async () => {
    const sources = await page.locator('.log-line .log-source').allInnerTexts();
    const texts = await page.locator('.log-line .log-text').allInnerTexts();
    return (
      sources.length > 0 && sources.every((source) => source === 'worker-a') && texts.every((text) => text.includes('checkpoint written'))
    );
  };
  await eventually('filtered lines', filtered);
  expect(await page.locator('.log-line').count()).toBeLessThan(before + 1000);
  expect(new URL(page.url()).search).toBe('?worker=worker-a&search=checkpoint+w');
  await page.reload();
  await eventually('the same lines after a reload', filtered);
  expect(await page.locator('[name="search"]').inputValue()).toBe('checkpoint w');

  await page.getByRole('button', { name: 'Clear filters' }).click();
  await page.locator('[name="level"]').selectOption('error');
  await page.getByText('No line passes these filters.').waitFor();
});

inBrowser('checkpoints can be downloaded', async () => {
  await page.getByRole('link', { name: 'Checkpoints' }).click();
  await page.locator('tbody tr').first().waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('tbody a').first().click()]);
  expect(download.suggestedFilename()).toMatch(/^job-.*-step-\d+\.tar$/);
  await download.cancel();
});

inBrowser('on a phone no page is wider than the screen, and every text can be read, in light and in dark colours', async () => {
  const found: string[] = [];
  const phone = await browser.newPage({ viewport: PHONE });
  for (const path of [
    '/',
    '/workers',
    '/submit',
    jobPath,
    ...['logs', 'checkpoints', 'history', 'file'].map((tab) => `${jobPath}/${tab}`),
  ]) {
    await phone.goto(url(path));
    await phone.locator('main .panel, main .notice:not(.is-loading)').first().waitFor();
    await phone.waitForLoadState('load');
    for (const colorScheme of ['light', 'dark'] as const) {
      await phone.emulateMedia({ colorScheme });
      await phone.locator(`html[data-theme="${colorScheme}"]`).waitFor({ state: 'attached' });
      const [overflow, faint] = [await sidewaysOverflow(phone), await faintTexts(phone)];
      if (overflow > 0 || faint.length > 0) found.push(`${path} ${colorScheme}: ${overflow} px, ${faint.join('; ')}`);
    }
  }
  await phone.close();
  expect(found).toEqual([]);
});

inBrowser(
  'everything can be reached by keyboard: skip link, a job in the table, its tabs; a dialog keeps the focus and gives it back',
  async () => {
    await page.goto(url('/'));
    await page.locator('tbody tr').first().waitFor();
    await page.keyboard.press('Tab');
    const focused = () =>
      page.evaluate('document.activeElement.innerText || document.activeElement.id || document.activeElement.tagName') as Promise<string>;
    expect(await focused()).toBe('Skip to content');
    const link = "document.querySelector('.skip-link')";
    expect(await page.evaluate(`[getComputedStyle(${link}).outlineStyle, ${link}.getBoundingClientRect().top >= 0]`)).toEqual([
      'solid',
      true,
    ]);
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('main');
    for (let presses = 0; presses < 10 && (await focused()) !== 'blobs'; presses++) await page.keyboard.press('Tab');
    expect(await focused()).toBe('blobs');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**${jobPath}`);

    const cancel = page.getByRole('button', { name: 'Cancel', exact: true });
    await cancel.waitFor();
    await cancel.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    expect(await focused()).toBe('Keep as it is');
    for (let presses = 0; presses < 8; presses++) {
      await page.keyboard.press('Tab');
      // The browser's own bars may have their turn; the page behind the dialog never has.
      expect(await page.evaluate("document.activeElement === document.body || document.activeElement.closest('dialog') !== null")).toBe(
        true,
      );
    }
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await focused()).toBe('Cancel');
  },
);

inBrowser('a job is cancelled after a question', async () => {
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the job' }).click();
  await page.locator('.job-head .badge', { hasText: 'cancelled' }).waitFor();
  expect(await page.getByRole('button', { name: 'Pause' }).count()).toBe(0);
});

inBrowser('a checkpoint is measured by way of the form, and the accuracy is in the place of the loss', async () => {
  const { items } = (await (await fetch(url(`/api/v1${jobPath}/checkpoints`))).json()) as { readonly items: readonly { path: string }[] };
  await page.goto(url('/submit'));
  await page.locator('[name="recipe"]').selectOption('knn');
  await page.locator('[name="data.format"]').selectOption('idx');
  await page.locator('[name="data.path"]').fill(data);
  await page.getByText('Checkpoint', { exact: true }).click();
  await page.locator('[name="checkpoint.resumeFrom"]').fill(items[0]!.path);
  await page.getByText('Knn', { exact: true }).click();
  await page.locator('[name="knn.test.path"]').fill('/nowhere');
  await page.locator('[name="knn.test.path"]').fill('');
  await page.locator('[name="knn.test.format"]').selectOption('image-folder');
  await page.locator('.field:has([name="knn.test.path"]) .field-error').waitFor();
  await page.locator('[name="knn.test.format"]').selectOption('idx');
  await page.locator('[name="knn.test.path"]').fill(data);
  await page.locator('[name="knn.test.split"]').selectOption('test');
  await page.getByText('The coordinator would take this job.').waitFor();
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL('**/jobs/job-*');
  await page.locator('.job-head .badge', { hasText: 'succeeded' }).waitFor();
  expect(await textOf('.tile:first-child')).toMatch(/k-NN accuracy\s+\d+\.\d\d %\s+256 test samples/i);
  expect(await page.locator('[aria-label="Loss"]').count()).toBe(0);
});

inBrowser('a worker is drained after a question', async () => {
  await page.goto(url('/workers'));
  await page.getByRole('button', { name: 'Drain worker-a' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Drain', exact: true }).click();
  await page.locator('.badge', { hasText: 'drained' }).waitFor();
});

inBrowser('nothing of all this was complained of in the console, but refusals of what the form was asked to check', () => {
  const refusals = /the server responded with a status of 400 .*\/api\/v1\/jobs(\?dryRun=true)?\)$/;
  expect(complaints.filter((complaint) => !refusals.test(complaint))).toEqual([]);
  return Promise.resolve();
});

inBrowser('while the coordinator is away the page says so and what to do, and it is live again by itself', async () => {
  const away = await browser.newPage();
  await away.goto(url('/'));
  await away.locator('tbody tr').first().waitFor();
  cluster.kill('coordinator');
  await away.getByText('The coordinator has not answered').waitFor();
  await cluster.restart('coordinator');
  await away.locator('.connection[data-state="live"]').waitFor();
  await eventually('the banner to go', async () => (await away.locator('#banner p').count()) === 0);
  await away.close();
});

inBrowser('where tokens are asked for, one signs in with one, comes back to where one was, and signs out', async () => {
  const token = 'r'.repeat(24);
  const guarded = await startCluster({
    workers: 0,
    dataDir: join(dir, 'guarded'),
    env: { MAESTRO_TOKENS: `me:read:${token}\nus:admin:${'a'.repeat(24)}`, MAESTRO_TOKEN: 'a'.repeat(24) },
  });
  try {
    const stranger = await browser.newPage();
    await stranger.goto(`http://${guarded.http}/workers`);
    await stranger.waitForURL('**/login?next=%2Fworkers');
    await stranger.getByLabel('Token').fill('x'.repeat(24));
    await stranger.keyboard.press('Enter');
    await stranger.getByText('This token is not known').waitFor();
    await stranger.getByLabel('Token').fill(token);
    await stranger.keyboard.press('Enter');
    await stranger.waitForURL('**/workers');
    await stranger.getByText('No worker is connected').waitFor();
    // Who may only read is not offered what would be refused.
    const offer = stranger.getByRole('link', { name: 'Submit' });
    expect(await offer.isVisible()).toBe(false);
    await stranger.reload();
    await stranger.getByRole('button', { name: 'Sign out' }).waitFor();
    expect(await offer.isVisible()).toBe(false);
    await stranger.getByRole('button', { name: 'Sign out' }).click();
    await stranger.waitForURL('**/login');
    await stranger.goto(`http://${guarded.http}/`);
    await stranger.waitForURL('**/login?next=%2F');
    await stranger.close();
  } finally {
    await guarded.stop();
  }
});
