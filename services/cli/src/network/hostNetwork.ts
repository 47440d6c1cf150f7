/** Place of a process: its address, and the command prefix that starts it there. */
export interface Place {
  /** IP address that it listens on and is known by. */
  readonly address: string;
  /** `ip netns exec NAME`, or nothing. */
  readonly enter: readonly string[];
}

/** Assigns each process of a cluster its place. */
export interface HostNetwork {
  /** Returns the place of the process with that name; always the same one. */
  place(name: string): Promise<Place>;
  /** Removes everything created, once no process needs it. */
  close(): Promise<void>;
}

/** Places all processes on loopback: the default. */
export const LOOPBACK: HostNetwork = {
  place: async () => ({ address: '127.0.0.1', enter: [] }),
  close: async () => undefined,
};
