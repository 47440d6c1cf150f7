// @ts-check

/** @typedef {'system' | 'light' | 'dark'} ThemeChoice */

const systemDark = matchMedia('(prefers-color-scheme: dark)');

/**
 * What the user chose; `system` follows the machine.
 * @returns {ThemeChoice}
 */
export function themeChoice() {
  const stored = localStorage.getItem('theme');
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

/**
 * Takes a choice on, keeps it for the next visit, and tells charts to draw anew.
 * @param {ThemeChoice} choice
 */
export function chooseTheme(choice) {
  if (choice === 'system') localStorage.removeItem('theme');
  else localStorage.setItem('theme', choice);
  applyTheme();
}

function applyTheme() {
  const choice = themeChoice();
  const isDark = choice === 'dark' || (choice === 'system' && systemDark.matches);
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
  dispatchEvent(new Event('themechange'));
}

systemDark.addEventListener('change', applyTheme);

/**
 * The value of a colour token at present, for canvases.
 * @param {string} name such as `--line-1`
 */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
