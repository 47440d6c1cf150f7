import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

/** Source text of axe-core. */
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * Returns axe-core's findings on the page: by all rules except those of level AAA, including the experimental and best-practice ones, or
 * only by the contrast rule; each with the first places that break it.
 */
export async function accessFaults(page: Page, rules: 'all' | 'contrast'): Promise<string[]> {
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(AXE);
  return page.evaluate(`axe
    .run(document, ${rules === 'contrast' ? "{ runOnly: ['color-contrast'] }" : ALL_RULES})
    .then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(' | ')))`);
}

const ALL_RULES = `{ runOnly: { type: 'rule', values: axe.getRules()
  .filter(({ tags }) => !tags.includes('wcag2aaa') && !tags.includes('deprecated'))
  .map(({ ruleId }) => ruleId) } }`;

/** Returns the pixels by which the page is wider than the window; 0 when nothing has to be scrolled sideways. */
export function sidewaysOverflow(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth') as Promise<number>;
}
