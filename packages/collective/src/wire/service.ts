import type { MethodDefinition, ServerOptions, ServiceDefinition } from '@grpc/grpc-js';
import { SUM_SQUARES_BLOCK } from '@maestro/kernels';
import { loadService } from '@maestro/protocol';
import { BLOCKS_PER_PIECE } from '../group/lane.ts';
import { type ChunkFrame, chunkOverhead, MOST_VALUES } from './codec.ts';

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

/** A range of a state: elements of vector 0 (parameters), 1 (first moments) or 2 (second moments). */
export interface StateRangeRequest {
  readonly vector: number;
  readonly first: number;
  readonly length: number;
}

/** The request of `PullState`. */
export interface StateRequest {
  readonly job: string;
  readonly generation: number;
  readonly member: string;
  readonly target: string;
  readonly ranges: readonly StateRangeRequest[];
  /** 0: the step at the view's beginning. */
  readonly step: number;
}

const loaded = loadService('collective.proto', 'Collective').service;

/** The service definition for grpc-js: chunks use our own codec, everything else proto-loader's. */
export const COLLECTIVE_SERVICE = {
  Pull: {
    ...loaded.Pull,
    // gRPC only calls `length`, `byteLength` and `copy` on a serialiser's result, so a frame need not be a Buffer.
    responseSerialize: (frame: ChunkFrame) => frame as unknown as Buffer,
    responseDeserialize: (bytes: Buffer) => bytes,
  } as MethodDefinition<PullRequest, Buffer>,
  Abort: loaded.Abort as MethodDefinition<AbortRequest, object>,
  PullState: {
    ...loaded.PullState,
    responseSerialize: (frame: ChunkFrame) => frame as unknown as Buffer,
    responseDeserialize: (bytes: Buffer) => bytes,
  } as MethodDefinition<StateRequest, Buffer>,
} satisfies ServiceDefinition;

/** Bytes of the largest payload. */
export const MOST_PAYLOAD_BYTES = BLOCKS_PER_PIECE * SUM_SQUARES_BLOCK * Float32Array.BYTES_PER_ELEMENT;

/** Bytes of the largest chunk message. */
export const MOST_MESSAGE_BYTES = MOST_PAYLOAD_BYTES + chunkOverhead(MOST_VALUES);

/** Bytes of such a message as one HTTP/2 frame, without the frame's header: members send each other whole messages as frames. */
export const MOST_FRAME_BYTES = 5 + MOST_MESSAGE_BYTES;

/** Options of the server. It sends no pings: each pair of members has a connection in each direction, and the client of each pings. */
export const SERVER_OPTIONS: ServerOptions = { 'grpc.max_send_message_length': -1, 'grpc.enable_channelz': 0 };
