import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { CHROMIUM, complaintsOf, NO_CHROMIUM, pictureDrawn, startBrowser } from '../support/browser/browser.ts';
import { accessFaults, sidewaysOverflow } from '../support/browser/pageChecks.ts';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { eventually } from '../support/eventually.ts';

const TIMEOUT_MS = 300_000;
const PHONE = { width: 375, height: 812 };
const DESKTOP = { width: 1280, height: 900 };
/** How each page is looked at. */
const LOOKS = [
  [DESKTOP, 'light'],
  [DESKTOP, 'dark'],
  [PHONE, 'light'],
] as const;

let dir: string;
let data: string;
/** A folder of images in two classes, of which too many are broken for a job. */
let images: string;
let cluster: Cluster;
let browser: Browser;
let page: Page;
let complaints: string[];
let jobPath = '';

/** Tests in a browser are left out, with the reason in their name, where there is none. */
const inBrowser = (name: string, run: () => Promise<void>) =>
  CHROMIUM === undefined ? test.skip(`${name} (${NO_CHROMIUM})`, run, TIMEOUT_MS) : test(name, run, TIMEOUT_MS);

const url = (path: string) => `http://${cluster.http}${path}`;
const api = async (path: string, body?: object) => {
  const response = await fetch(url(`/api/v1${path}`), {
    method: body === undefined ? 'GET' : 'POST',
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  return (await response.json()) as { readonly id: string; readonly state: string };
};
/** What is wrong with a page, in every size and colour. */
const faultsOf = async (paths: readonly string[]) => {
  const found: string[] = [];
  const each = await browser.newPage();
  for (const path of paths) {
    await each.goto(url(path));
    await each.locator('main .panel, main .notice:not(.is-loading)').first().waitFor();
    await each.waitForLoadState('load');
    for (const [viewport, colorScheme] of LOOKS) {
      await each.setViewportSize(viewport);
      await each.emulateMedia({ colorScheme });
      await each.locator(`html[data-theme="${colorScheme}"]`).waitFor({ state: 'attached' });
      // In dark colours the page is the same but for its colours.
      const faults = await accessFaults(each, colorScheme === 'light' ? 'all' : 'contrast');
      const overflow = await sidewaysOverflow(each);
      if (overflow > 0) faults.push(`${overflow} px wider than the window`);
      found.push(...faults.map((fault) => `${path} ${viewport.width} px ${colorScheme}: ${fault}`));
    }
  }
  await each.close();
  return found;
};
const textOf = async (selector: string) => (await page.locator(selector).allInnerTexts()).join('\n');

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-dashboard-'));
  data = await writeBlobs(join(dir, 'blobs'), { count: 256 });
  images = join(dir, 'flowers');
  for (const name of ['daisy', 'rose']) {
    await mkdir(join(images, name), { recursive: true });
    for (let i = 0; i < 8; i++)
      await sharp({ create: { width: 16, height: 16, channels: 3, background: { r: 30 * i, g: 90, b: 10 } } }).toFile(
        join(images, name, `${i}.png`),
      );
  }
  // One would be borne, and one in a hundred is held out.
  for (const i of [1, 2, 3, 4]) await writeFile(join(images, 'rose', `broken-${i}.png`), `no image ${i}`);
  cluster = await startCluster({ workers: 2, dataDir: join(dir, 'cluster'), env: { MAESTRO_RECONSTRUCTION_SECONDS: '1' } });
  if (CHROMIUM === undefined) return;
  browser = await startBrowser();
  page = await browser.newPage({ viewport: DESKTOP, locale: 'en-GB' });
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

test('who follows a wrong link in a browser gets a page, and a program the problem', async () => {
  for (const path of ['/no/such/page', '/api/v1/nothing']) {
    const asked = async (accept: string) => {
      const response = await fetch(url(path), { headers: { accept } });
      return [response.status, response.headers.get('content-type')];
    };
    expect(await asked('text/html,application/xhtml+xml,*/*;q=0.8')).toEqual([404, 'text/html; charset=utf-8']);
    expect(await asked('*/*')).toEqual([404, 'application/problem+json']);
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
  await page.locator('.field:has([name="data.path"]) .field-error', { hasText: 'enter the location of the images' }).waitFor();
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
  await page.locator('[name="model.preset"]').selectOption('mae_vit_tiny_patch4');
  await page.getByText('Checkpoint', { exact: true }).click();
  for (const [name, value] of Object.entries(fields)) await page.locator(`[name="${name}"]`).fill(value);
  await page.getByText('The coordinator would accept this job.').waitFor();
  expect(await textOf('.side')).toContain('64 images');

  await page.getByRole('button', { name: 'YAML or JSON' }).click();
  expect(await page.getByRole('textbox', { name: 'Job file' }).inputValue()).toContain('steps: 60000');
  await page.getByRole('button', { name: 'Form' }).click();
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL('**/jobs/job-*');
  jobPath = new URL(page.url()).pathname;
});

inBrowser('the form finds the format by the path, counts images and class folders, and never calls ready what is not there', async () => {
  const form = await browser.newPage({ viewport: DESKTOP });
  await form.goto(url('/submit'));
  const path = form.locator('[name="data.path"]');
  const note = form.locator('.field:has([name="data.path"])');
  const format = () => form.locator('[name="data.format"]').inputValue();
  await path.waitFor();
  expect(await format()).toBe('');
  await form.locator('[name="schedule.steps"]').fill('10');
  await path.fill(join(dir, 'flower'));
  await note.getByText(`there is nothing at ${join(dir, 'flower')}`).waitFor();
  const problems = form.locator('.side .problems li');
  await problems.first().waitFor();
  expect(await problems.count()).toBe(1);
  expect(await form.getByText('The coordinator would accept this job.').count()).toBe(0);
  await path.fill(images);
  await note.getByText('a folder of images: 20 images, in 2 class folders: daisy 8, rose 12').waitFor();
  expect(await format()).toBe('image-folder');
  // Another path may have another format, until one is chosen by hand.
  await path.fill(data);
  await note.getByText('IDX files: 256 images').waitFor();
  expect(await format()).toBe('idx');
  await form.locator('[name="data.format"]').selectOption('webdataset');
  await note.getByText('it looks like IDX files (format idx), not webdataset').waitFor();
  await form.close();
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
  await page.getByRole('button', { name: 'log axis of Loss' }).click();
  await page.locator('[aria-label="log axis of Loss"][aria-pressed="true"]').waitFor();

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
  // The audit comes first, and what happens all the time is told once.
  const top = async (label: string) => (await page.locator(`section[aria-label="${label}"]`).boundingBox())!.y;
  expect(await top('Audit')).toBeLessThan(await top('Events'));
  await eventually('checkpoints in one row', async () => /\d+ checkpoints since step/.test(await textOf('.events')));
  expect(await page.locator('.events li').count()).toBeLessThanOrEqual(12);
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
  await page.getByText('No lines match these filters.').waitFor();
});

inBrowser('a search that cannot be leaves the lines, is told of at its field, and is not asked for again and again', async () => {
  const logs = await browser.newPage({ viewport: DESKTOP });
  const refused: string[] = [];
  logs.on('response', (response) => {
    if (response.status() === 400) refused.push(response.url());
  });
  await logs.goto(url(`${jobPath}/logs`));
  await logs.locator('.log-line').first().waitFor();
  const search = logs.locator('[name="search"]');
  await search.fill('checkpoint ((');
  await logs.getByRole('alert').getByText('missing closing )').waitFor();
  expect(await search.getAttribute('aria-invalid')).toBe('true');
  // The histogram goes on with what it showed.
  await logs.waitForResponse((response) => response.url().includes('/logs/histogram') && response.ok());
  expect(await logs.locator('.log-line').count()).toBeGreaterThan(1);
  expect(refused).toHaveLength(1);

  await logs.reload();
  await logs.getByRole('alert').getByText('missing closing )').waitFor();
  await logs.locator('.log-line').first().waitFor();
  await search.fill('checkpoint');
  await logs.locator('.log-text mark', { hasText: 'checkpoint' }).first().waitFor();
  expect([await logs.getByRole('alert').count(), refused.length]).toEqual([0, 2]);
  await logs.close();
});

inBrowser('the histogram is one tab stop; arrow keys go from bar to bar, and Enter shows the lines of one', async () => {
  const logs = await browser.newPage({ viewport: DESKTOP });
  await logs.goto(url(`${jobPath}/logs`));
  await logs.locator('.histogram i').nth(1).waitFor();
  const stops = logs.locator('.histogram button[tabindex="0"]');
  expect(await stops.count()).toBe(1);
  const last = await stops.getAttribute('aria-label');
  await stops.focus();
  await logs.keyboard.press('Home');
  const focused = () => logs.evaluate("document.activeElement.getAttribute('aria-label')");
  const first = await focused();
  expect(first).not.toBe(last);
  expect([await stops.count(), await stops.getAttribute('aria-label')]).toEqual([1, first]);
  await logs.keyboard.press('ArrowRight');
  expect(await focused()).not.toBe(first);
  await logs.keyboard.press('Enter');
  await logs.getByRole('button', { name: 'Clear filters' }).waitFor();
  expect(new URL(logs.url()).search).toContain('from=');
  await logs.close();
});

inBrowser('a job that waits says why in full, and names the job that it waits for', async () => {
  const spec = {
    data: { format: 'idx', path: data },
    schedule: { steps: 5, microBatch: 8 },
    model: { preset: 'mae_vit_tiny_patch4', imageSize: 16 },
  };
  const first = await api('/jobs', { ...spec, name: 'first in line' });
  const second = await api('/jobs', { ...spec, name: 'second\u202e in line' });
  const table = await browser.newPage({ viewport: DESKTOP });
  await table.goto(url('/'));
  const reason = table.locator('tr', { hasText: second.id }).locator('.reason');
  await reason.getByText('waiting: behind first in line').waitFor();
  // A mark that turns text round would turn round what stands beside the name too.
  expect(await table.locator('tr', { hasText: second.id }).textContent()).toContain('second? in line');
  expect(await reason.evaluate((node) => node.scrollWidth <= node.clientWidth && node.scrollHeight <= node.clientHeight)).toBe(true);
  expect(await reason.getByRole('link', { name: 'first in line' }).getAttribute('href')).toBe(`/jobs/${first.id}`);
  await table.close();
  expect(await faultsOf([`/jobs/${second.id}`])).toEqual([]);
  for (const { id } of [second, first]) await api(`/jobs/${id}/cancel`, {});
});

inBrowser('checkpoints can be downloaded', async () => {
  await page.getByRole('link', { name: 'Checkpoints' }).click();
  await page.locator('tbody tr').first().waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('tbody a').first().click()]);
  expect(download.suggestedFilename()).toMatch(/^job-.*-step-\d+\.tar$/);
  await download.cancel();
});

inBrowser(
  'no page has a fault that axe finds, on a screen or a phone, in light or dark colours; none is wider than the window',
  async () => {
    const tabs = ['', '/logs', '/checkpoints', '/history', '/file', '/logs?search=(('].map((tab) => `${jobPath}${tab}`);
    const others = ['/', '/workers', '/submit', '/submit?as=file', '/login', '/docs', '/no/such/page', '/jobs/job-nothing'];
    expect(await faultsOf([...others, ...tabs])).toEqual([]);
  },
);

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

inBrowser('the page of a failed job shows the error first, what to do, and where to go from there', async () => {
  const failed = await api('/jobs', {
    name: 'flowers',
    data: { format: 'image-folder', path: images },
    schedule: { steps: 50, microBatch: 1 },
    model: { preset: 'mae_vit_tiny_patch4', imageSize: 16, embedDim: 48, depth: 1, decoderEmbedDim: 48, decoderDepth: 1 },
  });
  await eventually('its end', async () => (await api(`/jobs/${failed.id}`)).state === 'failed');
  await page.goto(url(`/jobs/${failed.id}`));
  const failure = page.getByRole('region', { name: 'Why the job failed' });
  await failure.getByRole('heading', { name: 'The data cannot be used' }).waitFor();
  expect(await failure.textContent()).toMatch(/rose\/broken-\d\.png[\s\S]*What to do: Repair or remove the files named above/);
  // Nothing but the name stands above it.
  const top = async (selector: string) => (await page.locator(selector).first().boundingBox())?.y ?? Number.POSITIVE_INFINITY;
  expect(await top('.failure')).toBeLessThan(Math.min(await top('.tabs'), await top('.tiles'), await top('.progress')));
  expect((await textOf('.tiles')).split('\n')).not.toContain('–');
  expect(await faultsOf([`/jobs/${failed.id}`, `/jobs/${failed.id}/history`])).toEqual([]);
  await failure.getByRole('link', { name: 'Correct and submit again' }).click();
  await page.waitForURL(`**/submit?from=${failed.id}`);
  expect(await page.locator('[name="data.path"]').inputValue()).toBe(images);
});

inBrowser('a checkpoint is measured by way of the form, and the accuracy is in the place of the loss', async () => {
  const { items } = (await (await fetch(url(`/api/v1${jobPath}/checkpoints`))).json()) as { readonly items: readonly { path: string }[] };
  await page.goto(url('/submit'));
  await page.locator('[name="recipe"]').selectOption('knn');
  await page.locator('[name="data.path"]').fill(data);
  await page.getByText('IDX files: 256 images').waitFor();
  await page.locator('summary', { hasText: 'Checkpoint' }).click();
  await page.locator('[name="checkpoint.resumeFrom"]').fill(items[0]!.path);
  await page.getByText('Knn', { exact: true }).click();
  await page.locator('[name="knn.test.path"]').fill('/nowhere');
  await page.locator('.field:has([name="knn.test.path"]) .field-error', { hasText: 'there is nothing at /nowhere' }).waitFor();
  await page.locator('[name="knn.test.path"]').fill(data);
  await page.locator('.field:has([name="knn.test.path"])', { hasText: 'IDX files' }).waitFor();
  await page.locator('[name="knn.test.split"]').selectOption('test');
  await page.getByText('The coordinator would accept this job.').waitFor();
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL('**/jobs/job-*');
  await page.locator('.job-head .badge', { hasText: 'succeeded' }).waitFor();
  expect(await textOf('.tile:first-child')).toMatch(/k-NN accuracy\s+\d+\.\d\d %\s+256 test samples/i);
  expect(await page.locator('[aria-label="Loss"]').count()).toBe(0);
  expect(await faultsOf([new URL(page.url()).pathname])).toEqual([]);
  await page.goto(url('/'));
  expect(await textOf('tbody tr:first-child')).toMatch(/\d+\.\d\d %\s+k-NN accuracy/);
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
  // A coordinator that was started again knows no times of the steps that were done before.
  await away.goto(url(jobPath));
  await away.locator('.timeline').getByText('so steps before its last start are missing').waitFor();
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
    await stranger.getByText('No workers connected').waitFor();
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
