// @ts-check
import { h } from '../dom.js';

/** Paths on a 16 x 16 grid, drawn as lines. */
const PATHS = {
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1',
  moon: 'M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z',
  auto: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM8 2v12M8 5h4.5M8 8h6M8 11h4.5',
  pause: 'M5.5 3v10M10.5 3v10',
  play: 'M4.5 3v10l8-5Z',
  stop: 'M4 4h8v8H4Z',
  download: 'M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11',
  copy: 'M5.5 5.5h8v8h-8ZM10.5 5.5v-3h-8v8h3',
  plus: 'M8 3v10M3 8h10',
  warn: 'M8 2 1.5 13.5h13ZM8 6.5v3.5M8 12v.1',
};

/** A small drawing beside a text that says the same, so it is hidden from readers of the screen. @param {keyof typeof PATHS} name */
export function icon(name) {
  return h(
    'svg',
    {
      width: 14,
      height: 14,
      viewBox: '0 0 16 16',
      fill: 'none',
      stroke: 'currentColor',
      'stroke-width': 1.6,
      'stroke-linecap': 'round',
      'stroke-linejoin': 'round',
      'aria-hidden': 'true',
    },
    h('path', { d: PATHS[name] }),
  );
}
