import { type ClientHttp2Session, connect as connectHttp2, type SecureClientSessionOptions } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { type InboundTap, openInboundTap } from '../taps/inboundTap.ts';
import { MOST_FRAME_BYTES, MOST_PAYLOAD_BYTES } from '../wire/service.ts';
import { MEMBER_SETTING } from './memberServer.ts';

/** The flow-control window of a stream and of its connection: 2.4 times the throughput of the default 64 KiB. */
const WINDOW_BYTES = 4 << 20;

/** The connection of a pulling member: DATA of its first stream is read from `tap`. */
export interface MemberSession {
  readonly session: ClientHttp2Session;
  readonly tap: InboundTap;
}

/** The window between members, which send each message whole: room for four. */
const MEMBER_WINDOW_BYTES = 4 * (MOST_PAYLOAD_BYTES + (1 << 16));

/** Liveness check of a connection. */
export interface Keepalive {
  /** Time between two pings. */
  readonly timeMs: number;
  /** Deadline of the answer to a ping. A stopped or unreachable peer is noticed within the sum of the two. */
  readonly timeoutMs: number;
}

/** Options of {@link openSession}. */
export interface SessionOptions {
  /** `host:port` or `unix:path`. */
  readonly address: string;
  readonly keepalive: Keepalive;
  /** TLS options; without them the connection is plain text. */
  readonly tls?: SecureClientSessionOptions;
}

/**
 * Opens an HTTP/2 connection for gRPC with receive windows sized for gradients. It is destroyed when its peer stops responding. Rejects
 * with the socket's error.
 */
export function openSession({ address, keepalive, tls }: SessionOptions): Promise<ClientHttp2Session> {
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  const authority = `${tls === undefined ? 'http' : 'https'}://${path === undefined ? address : 'localhost'}`;
  return new Promise((resolve, reject) => {
    const session = connectHttp2(authority, {
      ...tls,
      settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
      ...(path !== undefined && { createConnection: () => connectSocket(path) }),
    });
    session.once('error', reject);
    session.once('close', () => reject(new Error('the connection closed before it was used')));
    session.once('connect', () => {
      if (session.destroyed) return;
      session.setLocalWindowSize(WINDOW_BYTES);
      session.off('error', reject);
      // Streams report the error; without a listener it would end the process.
      session.on('error', () => {});
      watch(session, keepalive, () => session.socket.bytesRead);
      resolve(session);
    });
  });
}

/** Opens a connection for one pull, its first stream, and announces this end as a member; otherwise like {@link openSession}. */
export async function openMemberSession({ address, keepalive, tls }: SessionOptions): Promise<MemberSession> {
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  const { hostname, port } = new URL(`http://${path === undefined ? address : 'localhost'}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const tap = await openInboundTap({
    target: path === undefined ? { host, port: Number(port) } : { path },
    windowBytes: MEMBER_WINDOW_BYTES,
    mostFrameBytes: MOST_FRAME_BYTES,
    ...(tls !== undefined && { tls }),
  });
  const session = connectHttp2(`http://${path === undefined ? address : 'localhost'}`, {
    settings: {
      enablePush: false,
      initialWindowSize: MEMBER_WINDOW_BYTES,
      maxFrameSize: MOST_FRAME_BYTES,
      customSettings: { [MEMBER_SETTING]: 1 },
    },
    createConnection: () => tap.channel,
  });
  // Streams report the error; without a listener it would end the process.
  session.on('error', () => {});
  // A session destroyed before it has connected still emits `connect`.
  session.once('connect', () => session.destroyed || session.setLocalWindowSize(MEMBER_WINDOW_BYTES));
  watch(session, keepalive, tap.bytesRead);
  return { session, tap };
}

function watch(session: ClientHttp2Session, { timeMs, timeoutMs }: Keepalive, bytesRead: () => number): void {
  let timer: NodeJS.Timeout;
  const later = (run: () => void, ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(run, ms);
  };
  const ask = () => {
    let isAnswered = false;
    if (session.destroyed) return;
    session.ping((error) => {
      isAnswered = true;
      if (error === null && !session.destroyed) later(ask, timeMs);
    });
    // Bytes of a gradient in flight prove liveness as well as the answer queued behind them.
    let heard = bytesRead();
    const judge = () => {
      if (isAnswered || session.destroyed) return;
      const total = bytesRead();
      if (total === heard) {
        session.destroy(new Error(`no answer to keepalives for ${timeoutMs} ms`));
        return;
      }
      heard = total;
      later(expire, timeoutMs);
    };
    // When this process itself was stalled, the answer lies unread in the socket; an immediate runs after it is read.
    const expire = () => void setImmediate(judge);
    later(expire, timeoutMs);
  };
  later(ask, timeMs);
  session.once('close', () => clearTimeout(timer));
}
