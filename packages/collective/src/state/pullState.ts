import type { ClientHttp2Session } from 'node:http2';
import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import { beginCall } from '../group/beginCall.ts';
import { openSession, type SessionOptions } from '../group/session.ts';
import type { FloatVector } from '../plan/vector.ts';
import { type InboundState, openInboundState, type StateSummary } from '../taps/inboundState.ts';
import { openMessageReader } from '../wire/messageReader.ts';
import { COLLECTIVE_SERVICE, type StateRangeRequest, type StateRequest } from '../wire/service.ts';
import { MOST_STATE_MESSAGE_BYTES } from './stateMessages.ts';

/** Options of {@link pullState}. */
export interface PullStateOptions {
  readonly job: string;
  readonly generation: number;
  /** The peer that has the state, with the address that its own collective reported. */
  readonly member: { readonly id: string; readonly address: string };
  /** Id of this member. */
  readonly self: string;
  /** Ranges to request. Default: everything that the peer serves. */
  readonly ranges?: readonly StateRangeRequest[];
  /** Step after which the state is wanted. Default 0: the state at the view's beginning. */
  readonly step?: number;
  /** One vector for each that the peer serves, or for each range, of the same lengths. */
  readonly into: readonly FloatVector[];
  /** Deadline for the next message; longer than the 20,000 for which a source lets a request wait for its view. Default 30,000. */
  readonly idleTimeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Called after each message with the bytes of vectors received. */
  readonly onProgress?: (bytes: number) => void;
}

/** Result of a pull whose state is complete and verified. */
export interface PulledState extends StateSummary {
  /** Total bytes of the vectors. */
  readonly bytes: number;
  readonly seconds: number;
}

/** Pulls a peer's state over a separate connection; see `Collective.pullState`. */
export async function pullState(options: PullStateOptions, connection: Omit<SessionOptions, 'address'>): Promise<PulledState> {
  const { job, generation, member, self, ranges = [], step = 0, into, idleTimeoutMs = 30_000, signal, onProgress = () => {} } = options;
  signal?.throwIfAborted();
  const began = performance.now();
  const inbound = openInboundState(into);
  let session: ClientHttp2Session | undefined;
  const failure = (error: MaestroError): MaestroError => {
    // A peer that was never reached is not reported as lost.
    const code = error.code === 'unavailable' && session !== undefined ? 'peer-lost' : error.code;
    const message = `pullState: ${member.id} at ${member.address} (job ${job}, generation ${generation}): ${error.message}`;
    return new MaestroError(code, message, { cause: error, details: { member: member.id, generation, bytes: inbound.bytes() } });
  };

  const idle = new AbortController();
  const expire = () => idle.abort(failure(new MaestroError('timeout', `received nothing for ${idleTimeoutMs} ms`)));
  const timer = setTimeout(expire, idleTimeoutMs);
  const stop = signal === undefined ? idle.signal : AbortSignal.any([idle.signal, signal]);
  const request = { job, generation, member: self, target: member.id, ranges, step };
  try {
    session = await connect({ ...connection, address: member.address }, stop);
    const summary = await receive(session, request, inbound, stop, () => {
      timer.refresh();
      onProgress(inbound.bytes());
    });
    return { ...summary, bytes: inbound.bytes(), seconds: (performance.now() - began) / 1000 };
  } catch (error) {
    if (stop.aborted) throw stop.reason;
    throw isMaestroError(error) ? failure(error) : error;
  } finally {
    clearTimeout(timer);
    session?.destroy();
  }
}

/** Opens a session; rejects when `stop` aborts first, and destroys the session if it still opens. */
function connect(options: SessionOptions, stop: AbortSignal): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    stop.addEventListener('abort', () => reject(stop.reason), { once: true });
    openSession(options).then(
      (session) => {
        if (stop.aborted) session.destroy();
        resolve(session);
      },
      (error: unknown) => reject(new MaestroError('unavailable', errorMessage(error), { cause: error })),
    );
  });
}

/** Feeds the messages of one call to `inbound`; resolves when the call has ended with status OK and the state is complete. */
function receive(
  session: ClientHttp2Session,
  request: StateRequest,
  inbound: InboundState,
  stop: AbortSignal,
  taken: () => void,
): Promise<StateSummary> {
  return new Promise((resolve, reject) => {
    stop.throwIfAborted();
    const { path, requestSerialize } = COLLECTIVE_SERVICE.PullState;
    const stream = beginCall(session, path, requestSerialize(request), {
      accepted: () => {},
      ended: (error) => {
        const summary = inbound.summary();
        if (summary !== undefined) resolve(summary);
        else reject(error ?? new MaestroError('protocol-violation', `the stream ended without its end, after ${inbound.bytes()} bytes`));
      },
    });
    const reader = openMessageReader(MOST_STATE_MESSAGE_BYTES, (message) => {
      inbound.take(message);
      taken();
      return true;
    });
    stream.on('data', (bytes: Buffer) => {
      if (stream.destroyed) return;
      try {
        reader.push(bytes);
      } catch (error) {
        reject(error);
        stream.destroy();
      }
    });
    stop.addEventListener('abort', () => stream.destroy(), { once: true });
  });
}
