import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { MaestroError } from '@maestro/protocol';
import { beginCall } from '../group/beginCall.ts';
import type { AbortNotice, LinkEvents } from '../group/link.ts';
import { type MemberSession, openMemberSession, type SessionOptions } from '../group/session.ts';
import type { InboundTap } from '../taps/inboundTap.ts';
import { type MessageReader, openMessageReader } from './messageReader.ts';
import { COLLECTIVE_SERVICE, MOST_MESSAGE_BYTES, type PullRequest } from './service.ts';

/** Deadline for a peer to acknowledge an abort. */
const ABORT_DEADLINE_MS = 1000;
/** Time between attempts to reach a peer that is not up yet. */
const RETRY_MS = 100;

/** The stream from one peer, which this member dialled. */
export interface Dialled {
  /** Resolves when the peer has accepted; rejects with the peer's reason. */
  readonly connected: Promise<void>;
  readonly isConnected: () => boolean;
  readonly resume: () => void;
  readonly abort: (notice: AbortNotice) => Promise<void>;
  readonly close: () => void;
}

/** Options of {@link dial}. */
export interface DialOptions {
  readonly member: { readonly id: string; readonly address: string };
  /** Index of the member in the view, passed to events. */
  readonly peer: number;
  readonly request: PullRequest;
  readonly events: LinkEvents;
  readonly connection: Omit<SessionOptions, 'address'>;
}

/**
 * Dials a peer, retrying until it answers, and pulls its messages.
 *
 * This end speaks gRPC over node:http2 itself, and reads DATA past it (see {@link openMemberSession}): receiving is the bottleneck of an
 * all-reduce. The bytes are plain gRPC, for a member or any other server.
 */
export function dial({ member, peer, request, events, connection }: DialOptions): Dialled {
  let session: ClientHttp2Session | undefined;
  let stream: ClientHttp2Stream | undefined;
  let reader: MessageReader | undefined;
  let tap: InboundTap | undefined;
  let isConnected = false;
  const closing = new AbortController();

  const ended = (error: MaestroError | undefined): void => {
    if (!closing.signal.aborted) events.inboundClosed(peer, error?.message ?? 'it left', error === undefined);
  };

  /**
   * Lets the reader consume what has arrived; an error of the reader ends the stream. Returns false while it holds a message that was not
   * accepted.
   */
  const read = (take: (messages: MessageReader) => boolean): boolean => {
    try {
      return reader === undefined || take(reader);
    } catch (error) {
      stream?.destroy(error as Error);
      return false;
    }
  };

  const connect = async (): Promise<void> => {
    const opened = await untilOpen({ ...connection, address: member.address }, closing.signal);
    if (opened === undefined) return;
    session = opened.session;
    tap = opened.tap;
    return new Promise<void>((resolve, reject) => {
      const { path, requestSerialize } = COLLECTIVE_SERVICE.Pull;
      stream = beginCall(opened.session, path, requestSerialize(request), {
        accepted: () => {
          isConnected = true;
          resolve();
        },
        ended: (error) => (isConnected ? ended(error) : reject(error ?? new MaestroError('unavailable', `dial ${member.id}: it left`))),
      });
      reader = openMessageReader(MOST_MESSAGE_BYTES, (bytes) => closing.signal.aborted || events.message(peer, bytes));
      stream.resume();
      opened.tap.start((bytes) => read((messages) => messages.push(bytes)));
    });
  };
  const connected = connect();
  // `join` awaits this promise; after a join that failed for another reason, nobody does.
  connected.catch(() => {});

  return {
    connected,
    isConnected: () => isConnected,
    resume: () => void (read((messages) => messages.retry()) && tap?.resume()),
    abort: ({ code, message, lost = '' }) =>
      new Promise((resolve) => {
        // A peer that cannot be notified sees the streams end.
        if (session === undefined || session.destroyed || session.closed) return resolve();
        const { job, generation, member: self } = request;
        const notice = { job, generation, member: self, code, message, lost };
        const { path, requestSerialize } = COLLECTIVE_SERVICE.Abort;
        const told = beginCall(session, path, requestSerialize(notice), { accepted: () => {}, ended: () => resolve() });
        told.setTimeout(ABORT_DEADLINE_MS, () => told.destroy());
        told.resume();
      }),
    close: () => {
      closing.abort();
      stream?.destroy();
      session?.close();
    },
  };
}

/** Opens a session with the peer, however long that takes; undefined when `signal` aborts first. */
async function untilOpen(options: SessionOptions, signal: AbortSignal): Promise<MemberSession | undefined> {
  for (;;) {
    const opened = await openMemberSession(options).catch(() => undefined);
    if (signal.aborted) opened?.session.destroy();
    if (signal.aborted) return undefined;
    if (opened !== undefined) return opened;
    await delay(RETRY_MS, undefined, { signal }).catch(() => {});
  }
}
