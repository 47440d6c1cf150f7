import type { ChannelCredentials, ChannelOptions, ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { fromServiceError, MaestroError } from '@maestro/protocol';
import type { AbortNotice, LinkEvents } from './link.ts';
import { CollectiveClient, type PullRequest } from './service.ts';

/** How long a peer may take to acknowledge an abort. */
const ABORT_DEADLINE_MS = 1000;
/** A bound on dialling that no join outlives; joins end earlier, by their own deadline. */
const DIAL_DEADLINE_MS = 3_600_000;

/** The stream from one peer, which this member dialled. */
export interface Dialled {
  /** Resolves when the peer has accepted; rejects with its reason. */
  readonly connected: Promise<void>;
  readonly isConnected: () => boolean;
  readonly resume: () => void;
  readonly abort: (notice: AbortNotice) => Promise<void>;
  readonly close: () => void;
}

/** Whom to dial, and how. */
export interface DialOptions {
  readonly member: { readonly id: string; readonly address: string };
  /** Index of the member in the view, for events. */
  readonly peer: number;
  readonly request: PullRequest;
  readonly events: LinkEvents;
  readonly options: ChannelOptions;
  readonly credentials: ChannelCredentials;
}

/** Dials a peer, again and again until it answers, and pulls its messages. */
export function dial({ member, peer, request, events, options, credentials }: DialOptions): Dialled {
  const client = new CollectiveClient(member.address, credentials, options);
  const methods = client as unknown as {
    Pull(request: PullRequest): ClientReadableStream<Buffer>;
    Abort(request: object, options: { deadline: number }, callback: (error: ServiceError | null) => void): void;
  };
  let call: ClientReadableStream<Buffer> | undefined;
  let held: Buffer | undefined;
  let isConnected = false;
  let isClosed = false;

  const deliver = (bytes: Buffer): void => {
    if (isClosed || events.message(peer, bytes)) return;
    held = bytes;
    call?.pause();
  };

  const connected = new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + DIAL_DEADLINE_MS, (unready) => {
      if (isClosed) return;
      if (unready !== undefined)
        return reject(new MaestroError('unavailable', `dial ${member.id}: ${unready.message}`, { cause: unready }));
      call = methods.Pull(request);
      call.once('metadata', () => {
        isConnected = true;
        resolve();
      });
      call.on('data', deliver);
      call.once('error', (error: ServiceError) => {
        if (!isConnected) reject(fromServiceError(error, `dial ${member.id} at ${member.address}`));
        else if (!isClosed) events.inboundClosed(peer, error.details, false);
      });
      call.once('end', () => {
        if (isConnected && !isClosed) events.inboundClosed(peer, 'it left', true);
      });
    });
  });
  // Whoever joins awaits it; when the join has failed for another reason, nobody does.
  connected.catch(() => {});

  return {
    connected,
    isConnected: () => isConnected,
    resume: () => {
      const bytes = held;
      if (bytes === undefined) return;
      held = undefined;
      deliver(bytes);
      if (held === undefined) call?.resume();
    },
    abort: ({ code, message, lost = '' }) =>
      new Promise((resolve) => {
        const { job, generation, member: self } = request;
        const notice = { job, generation, member: self, code, message, lost };
        methods.Abort(notice, { deadline: Date.now() + ABORT_DEADLINE_MS }, () => resolve());
      }),
    close: () => {
      isClosed = true;
      call?.cancel();
      client.close();
    },
  };
}
