import { type ChannelOptions, type MethodDefinition, makeGenericClientConstructor, type ServiceDefinition } from '@grpc/grpc-js';
import { loadService } from '@maestro/protocol';
import { type ChunkFrame, chunkOverhead } from './codec.ts';
import { BLOCKS_PER_PIECE } from './lane.ts';

/** The request of `Pull`: field names as in proto/maestro/v1/collective.proto. */
export interface PullRequest {
  readonly job: string;
  readonly generation: number;
  readonly member: string;
  readonly target: string;
  readonly plan: string;
}

/** The request of `Abort`. */
export interface AbortRequest {
  readonly job: string;
  readonly generation: number;
  readonly member: string;
  readonly code: string;
  readonly message: string;
  readonly lost: string;
}

const loaded = loadService('collective.proto', 'Collective').service;

/** The service as grpc-js takes it: chunks go through our own codec, everything else through proto-loader. */
export const COLLECTIVE_SERVICE = {
  Pull: {
    ...loaded.Pull,
    // gRPC calls only `length`, `byteLength` and `copy` of what a serialiser returns, so a frame need not be a Buffer.
    responseSerialize: (frame: ChunkFrame) => frame as unknown as Buffer,
    responseDeserialize: (bytes: Buffer) => bytes,
  } as MethodDefinition<PullRequest, Buffer>,
  Abort: loaded.Abort as MethodDefinition<AbortRequest, object>,
} satisfies ServiceDefinition;

/** The client of {@link COLLECTIVE_SERVICE}. */
export const CollectiveClient = makeGenericClientConstructor(COLLECTIVE_SERVICE, 'Collective');

/** Values that a message carries at most, scalars of a virtual rank's share included: far above need, far below harm. */
const MOST_MESSAGE_VALUES = 1 << 16;

/** How connections between workers are kept and watched. */
export interface ConnectionOptions {
  /** Quiet time after which a peer is asked for a sign of life. */
  readonly keepaliveTimeMs: number;
  /** Time in which it must answer. A stopped or unreachable peer is noticed within the sum of the two. */
  readonly keepaliveTimeoutMs: number;
}

/** Channel and server options: measured choices for few connections that carry much. */
export function channelOptions({ keepaliveTimeMs, keepaliveTimeoutMs }: ConnectionOptions, blockSize: number): ChannelOptions {
  return {
    'grpc.max_receive_message_length': BLOCKS_PER_PIECE * blockSize * Float32Array.BYTES_PER_ELEMENT + chunkOverhead(MOST_MESSAGE_VALUES),
    'grpc.max_send_message_length': -1,
    // Retries would keep a copy of what was sent.
    'grpc.enable_retries': 0,
    // A connection of its own for each view: nothing of an old one can hold up a new one.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_channelz': 0,
    'grpc.keepalive_time_ms': keepaliveTimeMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 500,
    // 2.4 times the throughput of the default 64 KiB. Honoured on clients only, so it is receivers that dial.
    'grpc-node.flow_control_window': 4 << 20,
  };
}
