import type { Waiting } from '@maestro/collective';

/** The exchange with the peers of a view, for observers. */
export interface ViewTraffic {
  /** Returns what the step in progress still waits for. */
  waiting(): Waiting[];
  /** Returns the bytes sent to peers for steps, by what was summed. */
  sentBytes(): Readonly<Record<string, number>>;
  /** Returns the bytes sent to peers and received from them. */
  bytes(): { readonly sent: number; readonly received: number };
}
