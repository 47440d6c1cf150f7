import type { Waiting } from '@maestro/collective';

/** The exchange with the peers of a view, as others look at it. */
export interface ViewTraffic {
  /** What the step in progress still waits for. */
  waiting(): Waiting[];
  /** Bytes sent to peers for steps, by what was summed. */
  sentBytes(): Readonly<Record<string, number>>;
  /** Bytes sent to peers and received from them. */
  bytes(): { readonly sent: number; readonly received: number };
}
