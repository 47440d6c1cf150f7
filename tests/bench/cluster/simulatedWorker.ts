import {
  type CoordinatorMessage,
  channelCredentials,
  controlChannelOptions,
  failureTimeouts,
  fromWire,
  loadService,
  toWire,
  type Wire,
  type WorkerMessage,
} from '@maestro/protocol';

/** The part of a control stream used here. */
interface ControlCall {
  write(wire: Wire): unknown;
  on(event: 'data', listener: (wire: Wire) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  on(event: 'end', listener: () => void): void;
}

/** A worker's control stream over a connection of its own, with nothing behind it. */
export interface SimulatedWorker {
  readonly id: string;
  send(message: WorkerMessage): void;
}

/** Options of {@link attachWorker}. */
export interface AttachOptions {
  readonly coordinator: string;
  readonly name: string;
  readonly onMessage: (message: CoordinatorMessage, worker: SimulatedWorker) => void;
}

/** Says hello to a coordinator, as a worker does. What ends the stream ends the process. */
export function attachWorker({ coordinator, name, onMessage }: AttachOptions): SimulatedWorker {
  const Client = loadService('coordinator.proto', 'Coordinator');
  const options = { ...controlChannelOptions(failureTimeouts()), 'grpc.use_local_subchannel_pool': 1 };
  const client = new Client(coordinator, channelCredentials(undefined), options);
  const call = (client as unknown as { attach(): ControlCall }).attach();
  const worker: SimulatedWorker = { id: `${name}:1`, send: (message) => void call.write(toWire(message)) };
  const fail = (reason: string): void => {
    process.stderr.write(`${name}: ${reason}\n`);
    process.exit(1);
  };
  call.on('data', (wire: Wire) => {
    const message = fromWire<CoordinatorMessage>(wire);
    if (message?.kind === 'refused') fail(message.message);
    if (message !== undefined) onMessage(message, worker);
  });
  call.on('error', (error) => fail(error.message));
  call.on('end', () => fail('the coordinator ended the stream'));
  worker.send({
    kind: 'hello',
    name,
    id: worker.id,
    address: '127.0.0.1:1',
    device: 'cpu',
    threads: 1,
    pid: process.pid,
    host: 'bench',
    buildJson: '{}',
    incarnation: 0,
    standing: null,
    sessionKey: '',
    operators: 0,
    kernels: '',
  });
  return worker;
}
