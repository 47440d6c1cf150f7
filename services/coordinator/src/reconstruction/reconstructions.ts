import { type ChildProcess, fork } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { glanceAtCheckpoint } from '@maestro/checkpoint';
import type { DrawnCheckpoint } from '@maestro/evaluation';
import { errorMessage, isMaestroError } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { type DrawRequest, EMPTY_QUEUE, hurry, nextDue, request, settle } from './drawQueue.ts';
import { pictureSteps, picturesFolder, thinPictures } from './pictures.ts';

/** Draws reconstructions of checkpoints for the dashboard as they arrive: one at a time, in a process of the lowest priority. */
export interface Reconstructions {
  /** Queues a written checkpoint. It is drawn in its turn, unless a newer one of the job replaces it; returns at once. */
  request(wanted: DrawRequest): void;
  /** Called when the job has ended: no training is left that a picture could delay, so its last one need not wait. */
  ended(jobId: string): void;
  /** Ends the current drawing, and drops the waiting ones. */
  close(): Promise<void>;
}

/** Options of {@link openReconstructions}. */
export interface ReconstructionsOptions {
  readonly dataDir: string;
  /** Time between the end of a job's drawing and its next one; 0 disables drawing. */
  readonly everySeconds: number;
  readonly onDrawn: (jobId: string, drawn: DrawnCheckpoint, seconds: number) => void;
  readonly log: Logger;
}

/** Maximum share of the time for which a job may be drawn: when a picture takes long, the pause grows with it. */
const MOST_SHARE = 0.15;
const TIMEOUT_MS = 10 * 60_000;
const DRAW_MAIN = fileURLToPath(new URL('./drawMain.js', import.meta.url));

type Answer = { readonly drawn: DrawnCheckpoint } | { readonly failed: string };

/** Starts the drawing of checkpoints. Failures are logged, and affect nothing else. */
export function openReconstructions({ dataDir, everySeconds, onDrawn, log }: ReconstructionsOptions): Reconstructions {
  let queue = EMPTY_QUEUE;
  let child: ChildProcess | undefined;
  let drawing: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  /** The last failure: the same one is logged once. */
  let told: { readonly jobId: string; readonly reason: string } | undefined;
  /** The job being drawn, and whether it has ended meanwhile. */
  let current: { readonly jobId: string; isOver: boolean } | undefined;

  const draw = async (wanted: DrawRequest): Promise<void> => {
    const { jobId, step, path } = wanted;
    const own = { jobId, isOver: false };
    current = own;
    const startedMs = performance.now();
    const folder = picturesFolder(dataDir, jobId);
    try {
      // A checkpoint reported twice.
      if ((await pictureSteps(folder)).includes(step)) return;
      await mkdir(folder, { recursive: true });
      const answer = await ask(path, folder);
      if (isClosed) return;
      const seconds = (performance.now() - startedMs) / 1000;
      if ('failed' in answer) {
        if (await isGone(path)) {
          log.info({ job: jobId, step }, 'checkpoint was removed before it was drawn');
          return;
        }
        if (told?.jobId !== jobId || told.reason !== answer.failed)
          log.warn({ job: jobId, step, reason: answer.failed }, 'checkpoint could not be drawn');
        told = { jobId, reason: answer.failed };
        return;
      }
      log.info({ job: jobId, step, seconds, maskedError: answer.drawn.maskedError }, 'checkpoint drawn');
      await thinPictures(folder);
      onDrawn(jobId, answer.drawn, seconds);
    } catch (error) {
      log.warn({ job: jobId, step, error }, 'checkpoint could not be drawn');
    } finally {
      const tookMs = performance.now() - startedMs;
      queue = settle(queue, wanted, Date.now() + Math.max(1000 * everySeconds, tookMs / MOST_SHARE));
      if (own.isOver) queue = hurry(queue, jobId);
      current = undefined;
    }
  };

  const ask = (checkpoint: string, folder: string): Promise<Answer> =>
    new Promise((resolve) => {
      const started = fork(DRAW_MAIN, [checkpoint, folder], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      child = started;
      const late = setTimeout(() => started.kill('SIGKILL'), TIMEOUT_MS);
      let answer: Answer | undefined;
      started.on('message', (message) => {
        answer = message as Answer;
      });
      const end = (how: string): void => {
        clearTimeout(late);
        child = undefined;
        resolve(answer ?? { failed: how });
      };
      started.once('error', (error) => end(errorMessage(error)));
      started.once('exit', (code, signal) => end(`its process ended without an answer: ${signal ?? `exit code ${code}`}`));
    });

  const pump = (): void => {
    if (isClosed || drawing !== undefined) return;
    clearTimeout(timer);
    const nowMs = Date.now();
    const { due, againMs } = nextDue(queue, nowMs);
    if (againMs !== undefined && due === undefined) timer = setTimeout(pump, againMs - nowMs);
    if (due === undefined) return;
    drawing = draw(due).finally(() => {
      drawing = undefined;
      pump();
    });
  };

  return {
    request(wanted) {
      if (everySeconds <= 0 || isClosed) return;
      queue = request(queue, wanted);
      pump();
    },
    ended(jobId) {
      if (current?.jobId === jobId) current.isOver = true;
      queue = hurry(queue, jobId);
      pump();
    },
    async close() {
      isClosed = true;
      clearTimeout(timer);
      child?.kill('SIGKILL');
      await drawing;
    },
  };
}

/** Retention removes the oldest checkpoints, including those that wait to be drawn. */
const isGone = (checkpoint: string): Promise<boolean> =>
  glanceAtCheckpoint(checkpoint).then(
    () => false,
    (error: unknown) => isMaestroError(error, 'not-found'),
  );
