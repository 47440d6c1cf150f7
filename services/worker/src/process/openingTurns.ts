/** Opens the next member. Its `open` gets what resolves when the resources of all members before are closed. */
export type OpenInTurn = <Opened extends { readonly closed: Promise<void> }>(open: (before: Promise<void>) => Opened) => Opened;

/** Returns a function that opens members one after another, so that no two have their devices and files open at the same time. */
export function createOpeningTurns(): OpenInTurn {
  let before: Promise<void> = Promise.resolve();
  return (open) => {
    const earlier = before;
    const opened = open(earlier);
    // A member that was released while it waited has nothing open, and closes before its predecessors.
    before = opened.closed.then(() => earlier);
    return opened;
  };
}
