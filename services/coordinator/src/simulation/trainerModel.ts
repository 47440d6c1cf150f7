/** A model of the trainer: what is under way in it goes on, whatever becomes of the view that asked for it. */
export interface TrainerModel {
  /** Does something that takes time. */
  run(ms: number, action: () => void): void;
  /** Calls `action` once nothing is under way: at once, where that is so. */
  onceIdle(action: () => void): void;
}

/** A trainer at rest; `later` lets simulated time pass. */
export function createTrainerModel(later: (delayMs: number, action: () => void) => void): TrainerModel {
  let underWay = 0;
  let idlers: (() => void)[] = [];
  const onceIdle = (action: () => void): void => {
    if (underWay > 0) idlers.push(action);
    else action();
  };
  return {
    run(ms, action) {
      underWay++;
      later(ms, () => {
        underWay--;
        action();
        if (underWay > 0) return;
        const ready = idlers;
        idlers = [];
        for (const each of ready) onceIdle(each);
      });
    },
    onceIdle,
  };
}
