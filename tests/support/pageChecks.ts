import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

/** axe-core, as the text of a script. */
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * What axe-core finds on the page: by every rule but those of level AAA, the experimental ones and those of good practice included, or by
 * that of contrast alone; each with the first places that break it.
 */
export async function accessFaults(page: Page, rules: 'all' | 'contrast'): Promise<string[]> {
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(AXE);
  return page.evaluate(`axe
    .run(document, ${rules === 'contrast' ? "{ runOnly: ['color-contrast'] }" : ALL_RULES})
    .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(' | ')))`);
}

const ALL_RULES =
  "{ runOnly: { type: 'rule', values: axe.getRules().filter(({ tags }) => !tags.includes('wcag2aaa') && !tags.includes('deprecated')).map(({ ruleId }) => ruleId) } }";

/** Pixels by which the page is wider than the window; 0 when nothing has to be scrolled sideways. */
export function sidewaysOverflow(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth') as Promise<number>;
}
