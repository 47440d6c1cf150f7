import { createHash } from 'node:crypto';
import { MaestroError, readEnvironment, type Variables } from '@maestro/protocol';
import { AwsV4Signer } from 'aws4fetch';
import { request } from '../request.ts';
import { xmlText } from './s3Xml.ts';

/** Address of an S3-compatible server, and credentials. */
export interface S3Settings {
  /** Its address; buckets are the first path segment. */
  readonly endpoint: string;
  readonly region: string;
  /** Undefined: requests are not signed, as public buckets allow. */
  readonly credentials: S3Credentials | undefined;
}

/** A key pair, with the token of temporary credentials. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/** Reads the variables of AWS's own tools, and `MAESTRO_S3_ENDPOINT`, which takes precedence. @throws MaestroError `invalid-argument`. */
export function readS3Settings(variables: Variables = process.env): S3Settings {
  const env = readEnvironment(variables);
  const variable = ['MAESTRO_S3_ENDPOINT', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'].find((name) => env[name] !== undefined);
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? 'us-east-1';
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = env;
  const endpoint = variable === undefined ? `https://s3.${region}.amazonaws.com` : env[variable]!;
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint))
    throw new MaestroError('invalid-argument', `${variable}=${endpoint}: expected http://host:port or https://host`);
  return {
    endpoint,
    region,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey, sessionToken } : undefined,
  };
}

/** One call of the S3 API. */
export interface S3Call<T> {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Key of the object; omitted for calls about the bucket. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  readonly read: (response: Response) => Promise<T>;
  readonly signal?: AbortSignal | undefined;
}

/** Calls the S3 API of one bucket. @throws MaestroError `not-found`, or `storage` with the server's message and advice. */
export type S3Client = <T>(call: S3Call<T>) => Promise<T>;

/** Opens a client of a bucket. Bodies are signed with their SHA-256, so that the server refuses those damaged in transit. */
export function openS3Client(bucket: string, { endpoint, region, credentials }: S3Settings): S3Client {
  // Signing keys derived for a day and region.
  const cache = new Map<string, ArrayBuffer>();
  return async ({ method, key, query = {}, headers = {}, body, read, signal }) => {
    const name = `s3://${bucket}${key === undefined ? '' : `/${key}`}`;
    const url = new URL(`${endpoint.replace(/\/+$/, '')}/${[bucket, ...(key?.split('/') ?? [])].map(encodeURIComponent).join('/')}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const content = createHash('sha256')
      .update(body ?? '')
      .digest('hex');
    return request({
      what: `${method} ${name} at ${endpoint}`,
      send: async (inner) => {
        const plain = { method, url, headers: new Headers({ ...headers, 'x-amz-content-sha256': content }) };
        const signed =
          credentials === undefined
            ? plain
            : await new AwsV4Signer({
                ...plain,
                url: url.href,
                accessKeyId: credentials.accessKeyId,
                secretAccessKey: credentials.secretAccessKey,
                ...(credentials.sessionToken !== undefined && { sessionToken: credentials.sessionToken }),
                service: 's3',
                region,
                cache,
              }).sign();
        return fetch(signed.url, {
          method,
          headers: signed.headers,
          signal: inner,
          ...(body !== undefined && { body: body as Uint8Array<ArrayBuffer> }),
        });
      },
      read: async (response) => {
        if (response.ok) return read(response);
        throw refusal(response.status, await response.text(), { method, name, isSigned: credentials !== undefined });
      },
      signal,
      isUpload: body !== undefined,
    });
  };
}

/** Advice for a server's refusal, by its code. */
const REMEDIES: Readonly<Record<string, string>> = {
  NoSuchBucket: 'create the bucket, or correct its name',
  InvalidAccessKeyId: 'check AWS_ACCESS_KEY_ID',
  XAdminUserNotFound: 'check AWS_ACCESS_KEY_ID', // versitygw's name for it
  SignatureDoesNotMatch: 'check AWS_SECRET_ACCESS_KEY',
  RequestTimeTooSkewed: "set this machine's clock",
  AccessDenied: 'grant this key permission to list, read, write and delete there',
};

function refusal(
  status: number,
  text: string,
  { method, name, isSigned }: { readonly method: string; readonly name: string; readonly isSigned: boolean },
): MaestroError {
  // An answer to HEAD has no body with the reason.
  const code = xmlText(text, 'Code') ?? (status === 404 ? 'NoSuchKey' : status === 403 ? 'AccessDenied' : `${status}`);
  if (code === 'NoSuchKey') return new MaestroError('not-found', `${name}: there is no such object`, { details: { code } });
  const remedy = isSigned || status !== 403 ? REMEDIES[code] : 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY';
  const said = (xmlText(text, 'Message') ?? `the server answered ${status}`).replace(/\.$/, '');
  return new MaestroError('storage', `${method} ${name}: ${said}${remedy === undefined ? '' : `: ${remedy}`} (${code})`, {
    details: { code, status },
  });
}
