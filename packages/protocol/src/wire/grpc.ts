import { fileURLToPath } from 'node:url';
import {
  type ChannelOptions,
  type GrpcObject,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { ERROR_CODES, type ErrorCode, errorMessage, isMaestroError, MaestroError } from '../errors.ts';
import { readEnvironment } from '../process/readEnvironment.ts';
import type { FailureTimeouts } from './failureTimeouts.ts';

const PROTO_ROOT = fileURLToPath(new URL('../../../../proto', import.meta.url));
const LOADING = { includeDirs: [PROTO_ROOT], longs: Number, enums: String, defaults: true, oneofs: true, arrays: true };
const MOST_DETAIL_CHARACTERS = 2000;
const ERROR_CODE_KEY = 'maestro-error-code';

/**
 * Returns the options of every channel. A web proxy (`http_proxy`), which grpc-js would use even for this machine, is ignored;
 * `grpc_proxy`, gRPC's own variable, enables one.
 */
export function channelOptions(env = readEnvironment()): ChannelOptions {
  return { 'grpc.enable_http_proxy': env['grpc_proxy'] === undefined ? 0 : 1, 'grpc.enable_channelz': 0 };
}

/** Returns the options of control connections, which detect an unresponsive peer before the failure timeout. */
export function controlChannelOptions({ keepaliveTimeMs, keepaliveTimeoutMs, heartbeatMs }: FailureTimeouts): ChannelOptions {
  return {
    'grpc.keepalive_time_ms': keepaliveTimeMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    'grpc.keepalive_permit_without_calls': 1,
    ...channelOptions(),
    'grpc.initial_reconnect_backoff_ms': Math.min(200, heartbeatMs),
    'grpc.max_reconnect_backoff_ms': 2000,
    'grpc.use_local_subchannel_pool': 1,
  };
}

/** Loads the definitions of proto files: relative to `proto/`, or by absolute path. */
export function loadProtos(...files: string[]): PackageDefinition {
  return loadSync(files, LOADING);
}

/** Loads a service of `proto/maestro/v1/<file>` by name; fields are in camelCase and 64-bit integers become numbers. */
export function loadService(file: string, service: string): ServiceClientConstructor {
  const root = loadPackageDefinition(loadProtos(`maestro/v1/${file}`));
  return ((root.maestro as GrpcObject).v1 as GrpcObject)[service] as ServiceClientConstructor;
}

/** Returns call metadata with `token`; default: the one in `MAESTRO_TOKEN`. */
export function tokenMetadata(token: string | undefined = readEnvironment()['MAESTRO_TOKEN']): Metadata {
  const metadata = new Metadata();
  if (token !== undefined && token !== '') metadata.set('authorization', `Bearer ${token}`);
  return metadata;
}

/** Converts an error to gRPC: its status, and its code in the trailer `maestro-error-code`. */
export function toServiceError(error: unknown): Partial<ServiceError> {
  const code: ErrorCode = isMaestroError(error) ? error.code : 'internal';
  const metadata = new Metadata();
  metadata.set(ERROR_CODE_KEY, code);
  const details = isMaestroError(error) ? error.message : `internal: ${errorMessage(error)}`;
  return { code: status[ERROR_CODES[code].grpc], details: headerText(details), metadata };
}

/** Makes text safe for a header: within the limits of HTTP/2 peers, and without lone surrogates, for which grpc-js would throw. */
function headerText(text: string): string {
  return Buffer.from(text.slice(0, MOST_DETAIL_CHARACTERS)).toString();
}

/** Converts the error of a failed call; `what` names the call. An unreachable server gives `unavailable`. */
export function fromServiceError(error: unknown, what: string): MaestroError {
  const { code, details, metadata } = error as Partial<ServiceError>;
  const known = metadata?.get(ERROR_CODE_KEY)[0];
  if (typeof known === 'string' && Object.hasOwn(ERROR_CODES, known))
    return new MaestroError(known as ErrorCode, details ?? errorMessage(error), { cause: error });
  const fallback: ErrorCode = code === status.CANCELLED ? 'cancelled' : code === status.DEADLINE_EXCEEDED ? 'timeout' : 'unavailable';
  return new MaestroError(fallback, `${what}: ${details ?? errorMessage(error)}`, { cause: error });
}
