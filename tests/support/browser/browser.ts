import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Usual paths of Chromium; `CHROMIUM` names another. */
const PLACES = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Path of Chromium on this machine, if it has one. */
export const CHROMIUM = PLACES.find((place): place is string => place !== undefined && place !== '' && existsSync(place));

/** Reason why browser tests are skipped here. */
export const NO_CHROMIUM = 'no Chromium on this machine: install it (on Debian: apt-get install chromium), or name one in CHROMIUM';

/** Starts Chromium so that it makes no network requests of its own. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
    ],
  });
}

/** Collects a page's errors: of scripts, of the console, and answers of 500 and more. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
  page.on('response', (response) => {
    if (response.status() >= 500) complaints.push(`${response.status()} ${response.url()}`);
  });
  return complaints;
}

/** A picture is drawn by a separate process, after a checkpoint. */
const PICTURE_TIMEOUT_MS = 60_000;

/** Resolves when the picture at `selector` is drawn. */
export async function pictureDrawn(page: Page, selector: string): Promise<void> {
  await page.locator(selector).waitFor({ timeout: PICTURE_TIMEOUT_MS });
  await page.waitForFunction(`document.querySelector(${JSON.stringify(selector)})?.naturalWidth > 0`);
}
