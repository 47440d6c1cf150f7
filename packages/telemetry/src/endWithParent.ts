/**
 * Ends this process, like SIGTERM, when the maestro process that started it ends, in whatever way; does nothing when a shell started it. A
 * parent that ended while this process was still loading counts as well.
 */
export function endWithParent(): void {
  const end = (): void => void process.kill(process.pid, 'SIGTERM');
  // Undefined without a channel to a parent, false when it has been closed.
  if (process.connected === false) end();
  else process.once('disconnect', end);
}
