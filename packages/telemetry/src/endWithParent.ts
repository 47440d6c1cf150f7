/**
 * Ends this process, as SIGTERM does, when the process of ours that started it ends, in whatever way; nothing when a shell started it.
 * A parent that has ended already, while this process was still loading, counts as well.
 */
export function endWithParent(): void {
  const end = (): void => void process.kill(process.pid, 'SIGTERM');
  // Undefined without a channel to a parent, false when that has been closed.
  if (process.connected === false) end();
  else process.once('disconnect', end);
}
