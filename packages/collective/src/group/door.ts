import type { ServerHttp2Session } from 'node:http2';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { listenError } from '@maestro/protocol';
import { type MemberService, sortConnection } from './memberServer.ts';

/** Deadline for ended streams to drain on close. */
const DRAIN_MS = 1000;

/** The listening end of a collective. */
export interface Door {
  /** The bound address, with the actual port. */
  readonly address: string;
  /** Lets ended streams drain, for a bounded time, so that peers see a member leave and not a broken connection. */
  readonly close: () => Promise<void>;
}

/** Options of {@link openDoor}. */
export interface DoorOptions {
  /** Serves all connections over TLS; without TLS, those of clients that are not members. */
  readonly server: Server;
  /** `host:port` or `unix:path`. */
  readonly address: string;
  /** Default: no TLS. */
  readonly credentials: ServerCredentials | undefined;
  readonly members: Omit<MemberService, 'connected'>;
}

/** Listens on an address. Rejects with `unavailable` when it cannot be bound. */
export async function openDoor({ server, address, credentials, members }: DoorOptions): Promise<Door> {
  if (credentials !== undefined) return { address: await bind(server, address, credentials), close: () => shutDown(server) };
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const service: MemberService = {
    ...members,
    connected: (session) => {
      sessions.add(session);
      session.once('close', () => sessions.delete(session));
    },
  };
  const net = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    sortConnection(socket, service, (other) => injector.injectConnection(other));
  });
  const bound = await listen(net, address);
  return {
    address: bound,
    close: async () => {
      for (const session of sessions) session.close();
      const closed = new Promise<void>((resolve) => net.close(() => resolve()));
      await Promise.all([shutDown(server), unlessLate(closed)]);
      for (const socket of sockets) socket.destroy();
    },
  };
}

function listen(net: NetServer, address: string): Promise<string> {
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  const { hostname, port } = new URL(`http://${path === undefined ? address : 'localhost'}`);
  return new Promise((resolve, reject) => {
    net.once('error', (error) => reject(cannotListen(address, error)));
    net.listen(path === undefined ? { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) } : { path }, () => {
      const found = net.address();
      resolve(found === null || typeof found === 'string' ? address : withPort(address, found.port));
    });
  });
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<string> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error !== null) reject(cannotListen(address, error));
      else resolve(address.startsWith('unix:') ? address : withPort(address, port));
    });
  });
}

function withPort(address: string, port: number): string {
  return address.replace(/:\d+$/, `:${port}`);
}

function cannotListen(address: string, error: Error): Error {
  return listenError(address, error, { what: 'other workers', variable: 'MAESTRO_COLLECTIVE_LISTEN' });
}

async function shutDown(server: Server): Promise<void> {
  await unlessLate(new Promise<void>((resolve) => server.tryShutdown(() => resolve())));
  server.forceShutdown();
}

/** Waits for `promise`, for {@link DRAIN_MS} at most. */
async function unlessLate(promise: Promise<void>): Promise<void> {
  const patience = new AbortController();
  await Promise.race([promise, delay(DRAIN_MS, undefined, { signal: patience.signal }).catch(() => {})]);
  patience.abort();
}
