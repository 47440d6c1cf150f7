/** A model of the trainer: it works for one thing at a time, whatever becomes of the view that asked for it. */
export interface TrainerModel {
  /** Calls `begin` once everything that came before is done, at once where that is so. What comes later waits for `done`. */
  take(begin: (done: () => void) => void): void;
}

/** A trainer at rest. */
export function createTrainerModel(): TrainerModel {
  const waiting: ((done: () => void) => void)[] = [];
  let isTaken = false;
  const next = (): void => {
    const begin = waiting.shift();
    if (begin === undefined) return;
    isTaken = true;
    begin(() => {
      isTaken = false;
      next();
    });
  };
  return {
    take(begin) {
      waiting.push(begin);
      if (!isTaken) next();
    },
  };
}
