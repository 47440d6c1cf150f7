// @ts-check
import { reportReached } from './connection.js';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;

/**
 * Follows a stream of server-sent events, and begins again where it was when it breaks, waiting longer each time.
 * @param {(lastId: string | undefined) => string} address where to connect, told the last event's id
 * @param {{ onEvent: (type: string, data: any, id: string) => void, types?: readonly string[], onState?: (isOpen: boolean) => void,
 *   isOver?: () => boolean }} handlers a stream that ends when `isOver` is not taken up again
 * @returns {() => void} ends it
 */
export function follow(address, { onEvent, types = ['message'], onState = () => undefined, isOver = () => false }) {
  /** @type {EventSource | undefined} */
  let source;
  /** @type {string | undefined} */
  let lastId;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let waitMs = FIRST_RETRY_MS;
  let isEnded = false;
  const connect = () => {
    const opened = new EventSource(address(lastId));
    source = opened;
    opened.onopen = () => {
      waitMs = FIRST_RETRY_MS;
      reportReached();
      onState(true);
    };
    for (const type of types) {
      opened.addEventListener(type, (event) => {
        if (event.lastEventId !== '') lastId = event.lastEventId;
        onEvent(type, event.data === '' ? undefined : JSON.parse(event.data), event.lastEventId);
      });
    }
    opened.onerror = () => {
      // The browser's own retry ignores refusals and never waits longer; ours is asked for by closing.
      opened.close();
      if (isEnded || isOver()) return;
      onState(false);
      timer = setTimeout(connect, waitMs);
      waitMs = Math.min(LAST_RETRY_MS, waitMs * 2);
    };
  };
  connect();
  return () => {
    isEnded = true;
    clearTimeout(timer);
    source?.close();
  };
}

/**
 * Calls `ask` now and every `everyMs` while the page is looked at; after a failure less often. Never two at once.
 * @param {(signal: AbortSignal) => Promise<void>} ask
 * @param {number} everyMs
 * @returns {{ now: () => void, stop: () => void }}
 */
export function poll(ask, everyMs) {
  const ending = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isAsking = false;
  /** Somebody wanted it now while it was under way, with what was then known. */
  let isWanted = false;
  let failures = 0;
  const turn = async () => {
    clearTimeout(timer);
    if (isAsking || ending.signal.aborted) return;
    isAsking = true;
    try {
      await ask(ending.signal);
      failures = 0;
    } catch {
      failures++;
    }
    isAsking = false;
    if (isWanted && !ending.signal.aborted) {
      isWanted = false;
      void turn();
      return;
    }
    if (!ending.signal.aborted && !document.hidden)
      timer = setTimeout(turn, Math.min(everyMs * 2 ** failures, Math.max(everyMs, LAST_RETRY_MS)));
  };
  const onVisible = () => {
    if (!document.hidden) turn();
  };
  document.addEventListener('visibilitychange', onVisible);
  turn();
  return {
    now() {
      isWanted = isAsking;
      void turn();
    },
    stop() {
      ending.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    },
  };
}

/**
 * {@link poll} into the state of a view: what `ask` gives is put into it, or `error` what went wrong; either way it is drawn.
 * @param {{ error?: unknown }} state
 * @param {() => void} render
 * @param {(signal: AbortSignal) => Promise<object>} ask
 * @param {number} everyMs
 */
export function pollInto(state, render, ask, everyMs) {
  return poll(async (signal) => {
    try {
      Object.assign(state, await ask(signal), { error: undefined });
    } catch (error) {
      if (!signal.aborted) state.error = error;
      throw error;
    } finally {
      if (!signal.aborted) render();
    }
  }, everyMs);
}
