// @ts-check
import { ApiError, errorText, request } from '../api.js';
import { h, keep, onceAFrame, patch } from '../dom.js';
import { clock, count } from '../format.js';
import { follow } from '../live.js';
import { setQuery } from '../router.js';
import { openHistogram } from './logHistogram.js';
import { lineElement, searchPattern } from './logLine.js';

/** @typedef {import('../types/api.d.ts').Job} Job @typedef {import('../types/api.d.ts').LogLine} LogLine */
/** @typedef {{ worker: string, level: string, search: string, from: string, to: string }} Filters `from` and `to` are RFC 3339 or empty */

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
/** Lines that the panel keeps; older ones are in the archive. */
const MOST_LINES = 2000;
const TYPING_MS = 300;

/**
 * The lines of a job's processes: live, filtered, with a histogram. The filters are the address.
 * @param {Job} job
 * @returns {import('./jobPage.js').Tab}
 */
export function openLogs(job) {
  const query = new URLSearchParams(location.search);
  /** @type {Filters} */
  const filters = {
    worker: query.get('worker') ?? '',
    level: query.get('level') ?? '',
    search: query.get('search') ?? '',
    from: query.get('from') ?? '',
    to: query.get('to') ?? '',
  };
  /** What the lines on the screen were asked for by; what is typed counts once the server has taken it. @type {Filters} */
  const asked = { ...filters, search: '' };
  const state = {
    isPaused: false,
    isOpen: false,
    isOver: false,
    shown: 0,
    received: 0,
    error: '',
    searchError: '',
    workers: workersOf(job),
  };
  const list = keep(h('ol.log-lines', { tabindex: 0, 'aria-label': 'Log lines, newest last' }));
  const bar = keep(h('div.log-filters', { role: 'search', 'aria-label': 'Log filters' }));
  const foot = keep(h('div.log-foot'));
  const histogram = openHistogram(job.id, asked, (from, to) => setFilters({ from, to }));
  const element = keep(h('section.panel.logs', { 'aria-label': 'Logs' }, bar, histogram.element, list, foot));
  /** @type {LogLine[]} lines that came and are not drawn yet */
  let waiting = [];
  let unfollow = () => undefined;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;

  const flush = onceAFrame(() => {
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const pattern = searchPattern(asked.search);
    list.append(...waiting.slice(-MOST_LINES).map((line) => lineElement(line, pattern)));
    waiting = [];
    while (list.childElementCount > MOST_LINES) list.firstElementChild?.remove();
    state.shown = list.childElementCount;
    if (isAtEnd && !state.isPaused) list.scrollTop = list.scrollHeight;
    drawFoot();
  });

  const start = () => {
    unfollow();
    waiting = [];
    list.replaceChildren();
    Object.assign(state, { shown: 0, received: 0, error: '', isOver: false });
    const wanted = Object.entries(asked).filter(([, value]) => value !== '');
    unfollow = /** @type {() => undefined} */ (
      follow(
        (cursor) => {
          const parameters = new URLSearchParams([
            ...wanted,
            ['follow', 'true'],
            ...(cursor === undefined ? [['tail', String(MOST_LINES)]] : [['cursor', cursor]]),
          ]);
          return `/api/v1/jobs/${job.id}/logs?${parameters}`;
        },
        {
          types: ['line', 'end'],
          onEvent: (type, line) => {
            if (type === 'end') {
              state.isOver = true;
              unfollow();
              return drawFoot();
            }
            state.received++;
            waiting.push(line);
            if (!state.isPaused) flush();
            else drawFoot();
          },
          onState: async (isOpen) => {
            state.isOpen = isOpen;
            state.error = isOpen ? '' : await refusal(asked);
            if (state.error !== '') unfollow(); // what is refused once is refused again
            drawFoot();
          },
          isOver: () => state.isOver,
        },
      )
    );
    histogram.refresh();
    drawBar();
    drawFoot();
  };

  /** Why the server does not give lines by these filters; empty when it does, or is away for now. @param {Filters} wanted */
  const refusal = async (wanted) => {
    const query = new URLSearchParams([...Object.entries(wanted).filter(([, value]) => value !== ''), ['buckets', '1']]);
    try {
      await request(`/api/v1/jobs/${job.id}/logs/histogram?${query}`);
      return '';
    } catch (error) {
      return error instanceof ApiError && error.status >= 400 && error.status < 500 ? errorText(error) : '';
    }
  };

  let turn = 0;
  /**
   * Asks for other lines. Those that are there stay, with the reason, when the server cannot take the filters.
   * @param {Partial<Filters>} change
   */
  const setFilters = async (change) => {
    const own = ++turn;
    Object.assign(filters, change);
    setQuery(filters);
    state.searchError = filters.search === '' ? '' : await refusal(filters);
    if (own !== turn) return; // something was typed since
    if (state.searchError !== '') return drawBar();
    Object.assign(asked, filters);
    start();
  };

  const drawBar = () => {
    const isFiltered = Object.values(filters).some((value) => value !== '');
    const value = (/** @type {Event} */ event) => /** @type {HTMLInputElement} */ (event.target).value;
    patch(
      bar,
      h(
        'label',
        {},
        'Worker',
        h(
          'select',
          { name: 'worker', value: filters.worker, onchange: (/** @type {Event} */ event) => setFilters({ worker: value(event) }) },
          h('option', { value: '' }, 'all'),
          ...[...new Set([...state.workers, ...(filters.worker === '' ? [] : [filters.worker])])].map((name) =>
            h('option', { value: name }, name),
          ),
        ),
      ),
      h(
        'label',
        {},
        'Level',
        h(
          'select',
          { name: 'level', value: filters.level, onchange: (/** @type {Event} */ event) => setFilters({ level: value(event) }) },
          h('option', { value: '' }, 'all'),
          ...LEVELS.map((level) => h('option', { value: level }, level === 'fatal' ? level : `${level} and up`)),
        ),
      ),
      h(
        'label.grow',
        {},
        'Search (regular expression)',
        h('input', {
          name: 'search',
          type: 'search',
          value: filters.search,
          placeholder: 'checkpoint|lost',
          oninput: (/** @type {Event} */ event) => {
            const search = value(event);
            clearTimeout(typing);
            typing = setTimeout(() => setFilters({ search }), TYPING_MS);
          },
          'aria-invalid': state.searchError !== '' && 'true',
          'aria-describedby': state.searchError !== '' && 'search-error',
        }),
        state.searchError !== '' &&
          h('span.field-error', { id: 'search-error', role: 'alert' }, `${state.searchError}; the lines below are not filtered by it`),
      ),
      (filters.from !== '' || filters.to !== '') &&
        h(
          'button.button.small',
          { type: 'button', 'aria-pressed': 'true', title: 'Show all times', onclick: () => setFilters({ from: '', to: '' }) },
          `${timeOf(filters.from)} – ${timeOf(filters.to)} ×`,
        ),
      isFiltered &&
        h(
          'button.button.small.bare',
          { type: 'button', onclick: () => setFilters({ worker: '', level: '', search: '', from: '', to: '' }) },
          'Clear filters',
        ),
    );
  };

  const drawFoot = onceAFrame(() => {
    const { isOver, isOpen, isPaused, shown, received, error } = state;
    const held = waiting.length;
    patch(
      foot,
      error !== ''
        ? h('span.field-error', { role: 'alert' }, error)
        : h(
            'span.muted',
            {},
            received === 0
              ? emptyText(isOver, isOpen, filters)
              : `${count(shown)} lines${received > MOST_LINES ? `, the newest of ${count(received)}; \`maestro logs\` has all` : ''}`,
          ),
      h(
        'span.connection',
        { 'data-state': isOver ? 'connecting' : isOpen ? 'live' : 'away' },
        isOver ? 'ended' : isPaused ? `held, ${count(held)} waiting` : isOpen ? 'live' : 'reconnecting',
      ),
      !isOver &&
        h(
          'button.button.small',
          {
            type: 'button',
            'aria-pressed': String(isPaused),
            onclick: () => {
              state.isPaused = !isPaused;
              if (!state.isPaused) list.scrollTop = list.scrollHeight;
              flush();
            },
          },
          isPaused ? 'Go on' : 'Hold',
        ),
    );
  });

  if (filters.search === '') start();
  else {
    // An address can hold a search that cannot be: the lines are then shown without it.
    setFilters({}).then(() => state.searchError !== '' && start());
  }
  return {
    element,
    update(next) {
      const workers = workersOf(next);
      if (workers.every((name) => state.workers.includes(name))) return;
      state.workers = [...new Set([...state.workers, ...workers])].sort();
      drawBar();
    },
    dispose() {
      clearTimeout(typing);
      unfollow();
      histogram.dispose();
    },
  };
}

/** Who can have written: members now, and those that events name. @param {Job} job */
function workersOf({ members, events }) {
  const told = events.flatMap(({ message }) => message.match(/\bworker-[a-z]+\b/g) ?? []);
  return [...new Set([...members.map(({ name }) => name), ...told])].sort();
}

/** @param {boolean} isOver @param {boolean} isOpen @param {Filters} filters */
function emptyText(isOver, isOpen, filters) {
  if (!isOpen && !isOver) return 'Loading lines…';
  return Object.values(filters).some((value) => value !== '')
    ? 'No lines match these filters.'
    : isOver
      ? 'This job has no log lines.'
      : 'No lines yet; they appear here as they are written.';
}

/** @param {string} time */
function timeOf(time) {
  return time === '' ? '…' : clock(Date.parse(time)).slice(0, 8);
}
