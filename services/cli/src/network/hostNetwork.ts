/** Where a process runs: what it is reached by, and what has to be put before its command to start it there. */
export interface Place {
  /** IP address that it listens at and is known by. */
  readonly address: string;
  /** `ip netns exec NAME`, or nothing. */
  readonly enter: readonly string[];
}

/** Gives each process of a cluster its place. */
export interface HostNetwork {
  /** The place of the process of that name; the same whenever it is asked for. */
  place(name: string): Promise<Place>;
  /** Removes what was made, once no process needs it. */
  close(): Promise<void>;
}

/** All processes on loopback: the usual place. */
export const LOOPBACK: HostNetwork = {
  place: async () => ({ address: '127.0.0.1', enter: [] }),
  close: async () => undefined,
};
