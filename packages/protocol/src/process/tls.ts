import { readFileSync } from 'node:fs';
import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import { errorMessage, MaestroError } from '../errors.ts';
import { readEnvironment, type Variables } from './readEnvironment.ts';

/** A service's certificate and key, and the certificate authority that it trusts; PEM. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
}

/**
 * Reads the files that `MAESTRO_TLS_CERT`, `MAESTRO_TLS_KEY` and `MAESTRO_TLS_CA` name; undefined when none is set.
 * @throws MaestroError `invalid-argument` when only some are set, or one cannot be read.
 */
export function readTls(env: Variables = process.env): TlsFiles | undefined {
  const environment = readEnvironment(env);
  const variables = ['MAESTRO_TLS_CERT', 'MAESTRO_TLS_KEY', 'MAESTRO_TLS_CA'] as const;
  const missing = variables.filter((name) => environment[name] === undefined);
  if (missing.length === variables.length) return undefined;
  if (missing.length > 0) throw new MaestroError('invalid-argument', `${missing.join(', ')}: not set; TLS needs ${variables.join(', ')}`);
  const [cert, key, ca] = variables.map((name) => {
    try {
      return readFileSync(environment[name]!);
    } catch (cause) {
      throw new MaestroError('invalid-argument', `${name}: cannot read ${environment[name]}: ${errorMessage(cause)}`, { cause });
    }
  });
  return { cert: cert!, key: key!, ca: ca! };
}

/** Credentials of a gRPC server: TLS that requires a client certificate of the same authority, or none. */
export function serverCredentials(tls: TlsFiles | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  return ServerCredentials.createSsl(tls.ca, [{ cert_chain: tls.cert, private_key: tls.key }], true);
}

/** Credentials of a gRPC client. */
export function channelCredentials(tls: TlsFiles | undefined): ChannelCredentials {
  return tls === undefined ? ChannelCredentials.createInsecure() : ChannelCredentials.createSsl(tls.ca, tls.key, tls.cert);
}
