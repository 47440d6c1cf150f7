import type { ClientDuplexStream, Metadata } from '@grpc/grpc-js';
import {
  type CoordinatorMessage,
  channelCredentials,
  controlChannelOptions,
  type ErrorCode,
  errorMessage,
  type FailureTimeouts,
  fromWire,
  type Heartbeat,
  type Hello,
  loadService,
  MaestroError,
  type TlsFiles,
  tokenMetadata,
  toWire,
  type Wire,
  type WorkerMessage,
} from '@maestro/protocol';

/** Deadline for the coordinator to answer the end of the stream, in milliseconds. */
const CLOSE_GRACE_MS = 1000;

/** Options of {@link openControlStream}. */
export interface ControlStreamOptions {
  /** host:port of the coordinator. */
  readonly coordinator: string;
  readonly tls?: TlsFiles | undefined;
  readonly hello: Hello;
  readonly timeouts: FailureTimeouts;
  /** Returns the next heartbeat. */
  readonly heartbeat: () => Heartbeat;
  readonly onMessage: (message: CoordinatorMessage) => void;
}

/** An open control stream. */
export interface ControlStream {
  send(message: WorkerMessage): void;
  /** Resolves when the stream has ended, with the reason; never rejects. */
  readonly ended: Promise<MaestroError>;
  close(): void;
}

/**
 * Attaches to the coordinator and sends heartbeats until the stream ends.
 * @throws nothing: any error ends the stream, with a MaestroError in `ended` (`conflict` when the coordinator refused the worker).
 */
export function openControlStream({ coordinator, tls, hello, timeouts, heartbeat, onMessage }: ControlStreamOptions): ControlStream {
  const Client = loadService('coordinator.proto', 'Coordinator');
  const client = new Client(coordinator, channelCredentials(tls), controlChannelOptions(timeouts));
  const call = (client as unknown as { attach(metadata: Metadata): ClientDuplexStream<Wire, Wire> }).attach(tokenMetadata());
  let heartbeats: NodeJS.Timeout | undefined;
  let isEnded = false;
  let end: (reason: MaestroError) => void = () => undefined;
  const ended = new Promise<MaestroError>((resolve) => {
    end = (reason) => {
      if (isEnded) return;
      isEnded = true;
      clearInterval(heartbeats);
      client.close();
      resolve(reason);
    };
  });
  const send = (message: WorkerMessage): void => {
    if (!isEnded) call.write(toWire(message));
  };
  const close = (): void => {
    call.end();
    setTimeout(() => call.cancel(), CLOSE_GRACE_MS).unref();
  };
  call.on('data', (wire: Wire) => {
    const message = fromWire<CoordinatorMessage>(wire);
    if (message?.kind === 'welcome') heartbeats = setInterval(() => send({ kind: 'heartbeat', ...heartbeat() }), message.heartbeatMs);
    if (message?.kind === 'refused') end(new MaestroError(message.code as ErrorCode, `refused by the coordinator: ${message.message}`));
    else if (message !== undefined) onMessage(message);
  });
  call.on('end', () => end(new MaestroError('unavailable', `the coordinator at ${coordinator} closed the control stream`)));
  call.on('error', (error) =>
    end(new MaestroError('unavailable', `the coordinator at ${coordinator} cannot be reached: ${errorMessage(error)}`, { cause: error })),
  );
  send({ kind: 'hello', ...hello });
  return { send, ended, close };
}
