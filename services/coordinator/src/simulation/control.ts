import type { CoordinatorMessage, Hello, WorkerMessage } from '@maestro/protocol';
import type { World } from './world.ts';

/** The end of a control stream that a coordinator holds. */
export interface CoordinatorEnd {
  receive(message: WorkerMessage): void;
  closed(evidence: string): void;
}

/** What a coordinator that runs takes on. */
export interface Listener {
  attach(hello: Hello, stream: { send(message: CoordinatorMessage): void; close(): void }): CoordinatorEnd | undefined;
}

/** A worker's control stream: messages of each direction arrive in order, until it breaks; what is under way is then lost. */
export interface ControlLink {
  send(message: WorkerMessage): void;
  /** Breaks it; each end notices by itself, at once or after the keepalive. */
  cut(isReset: boolean): void;
  /** The worker ends it. */
  close(): void;
}

/** What a worker does with its end. */
export interface WorkerEnd {
  readonly name: string;
  /** Does something when the process runs: a stopped one does it once it goes on, a dead one never. */
  readonly whenAwake: (action: () => void) => void;
  readonly onMessage: (message: CoordinatorMessage) => void;
  readonly onEnded: () => void;
}

/** Connects a worker to the coordinator. */
export function openLink(world: World, listener: Listener, hello: Hello, worker: WorkerEnd): ControlLink {
  const { clock, dice, timeouts } = world;
  const silentMs = timeouts.keepaliveTimeMs + timeouts.keepaliveTimeoutMs;
  let isCut = false;
  let isWorkerOpen = true;
  let isCoordinatorOpen = true;
  let end: CoordinatorEnd | undefined;
  let upMs = 0;
  let downMs = 0;
  const delay = (): number => (dice.chance(0.03) ? dice.between(50, 400) : dice.between(1, 10));

  const endWorker = (): void =>
    worker.whenAwake(() => {
      if (!isWorkerOpen) return;
      isWorkerOpen = false;
      worker.onEnded();
    });
  const endCoordinator = (evidence: string): void => {
    if (!isCoordinatorOpen) return;
    isCoordinatorOpen = false;
    end?.closed(evidence);
  };
  const up = (action: () => void): void => {
    upMs = Math.max(upMs, clock.nowMs + delay());
    clock.after(upMs - clock.nowMs, () => {
      if (!isCut && isCoordinatorOpen) action();
    });
  };
  const down = (action: () => void): void => {
    downMs = Math.max(downMs, clock.nowMs + delay());
    clock.after(downMs - clock.nowMs, () => {
      if (!isCut && isWorkerOpen)
        worker.whenAwake(() => {
          if (isWorkerOpen) action();
        });
    });
  };
  const stream = {
    send: (message: CoordinatorMessage) => {
      if (isCoordinatorOpen) down(() => worker.onMessage(message));
    },
    close: () => {
      isCoordinatorOpen = false;
      down(endWorker);
    },
  };
  up(() => {
    end = listener.attach(hello, stream);
    if (end === undefined) stream.close();
  });
  return {
    send: (message) => up(() => end?.receive(message)),
    cut(isReset) {
      if (isCut) return;
      isCut = true;
      clock.after(isReset ? dice.between(1, 20) : silentMs * dice.between(0.7, 1), endWorker);
      clock.after(isReset ? dice.between(1, 20) : silentMs * dice.between(0.7, 1), () => endCoordinator('its control stream was reset'));
    },
    close() {
      isWorkerOpen = false;
      up(() => endCoordinator('its control stream ended'));
    },
  };
}
