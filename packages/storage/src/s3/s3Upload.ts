import { createHash } from 'node:crypto';
import { MaestroError } from '@maestro/protocol';
import { pieces } from '../chunks.ts';
import type { ObjectDigest, WriteObjectOptions } from '../storage.ts';
import { openS3Client, readS3Settings, type S3Client } from './s3Client.ts';
import { keyOf, parseS3Location } from './s3Location.ts';
import { xmlElements, xmlEscape, xmlText } from './s3Xml.ts';

/** S3 accepts parts from 5 MiB, and 10,000 of them: objects of up to 80 GB. */
const PART_BYTES = 8 << 20;
/** Concurrent part uploads, each in memory. */
const PARTS_AT_ONCE = 4;

/** Uploads in progress in this process. */
const inHand = new Set<string>();

/**
 * Uploads an object: in one request when it has one part, otherwise part by part; it appears when the last request completes it. A failed
 * upload is aborted, so that its parts are not kept (and paid for); one whose process is killed is left for {@link abandonUploads}.
 */
export async function uploadObject(
  call: S3Client,
  key: string,
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { signal, beforePublish }: WriteObjectOptions = {},
): Promise<ObjectDigest> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const count = (piece: Uint8Array): void => {
    hash.update(piece);
    sizeBytes += piece.length;
  };
  const source = pieces(parts, PART_BYTES);
  const first = await source.next();
  const second = first.done === true ? first : await source.next();
  if (second.done === true) {
    const body = first.value ?? new Uint8Array(0);
    count(body);
    await beforePublish?.();
    await call({ method: 'PUT', key, body, read: drain, signal });
  } else {
    await uploadParts(call, key, { first: first.value!, second: second.value, rest: source, count, signal, beforePublish });
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

interface Parts extends WriteObjectOptions {
  readonly first: Uint8Array;
  readonly second: Uint8Array;
  readonly rest: AsyncGenerator<Uint8Array>;
  readonly count: (piece: Uint8Array) => void;
}

async function uploadParts(call: S3Client, key: string, { first, second, rest, count, signal, beforePublish }: Parts): Promise<void> {
  const started = await call({ method: 'POST', key, query: { uploads: '' }, read: (response) => response.text(), signal });
  const uploadId = xmlText(started, 'UploadId');
  if (uploadId === undefined) throw new MaestroError('storage', `uploading ${key}: the server gave no upload id`);
  inHand.add(uploadId);
  const underWay = new Set<Promise<void>>();
  const etags: string[] = [];
  const send = async (body: Uint8Array): Promise<void> => {
    count(body);
    const at = etags.push('') - 1;
    const sent = call({
      method: 'PUT',
      key,
      query: { partNumber: `${at + 1}`, uploadId },
      body,
      read: async (response) => {
        await drain(response);
        etags[at] = response.headers.get('etag') ?? '';
      },
      signal,
    }).then(() => void underWay.delete(sent));
    sent.catch(() => undefined); // the waiter gets the error
    underWay.add(sent);
    if (underWay.size >= PARTS_AT_ONCE) await Promise.race(underWay);
  };
  try {
    await send(first);
    await send(second);
    for await (const piece of rest) await send(piece);
    await Promise.all(underWay);
    await beforePublish?.();
    const list = etags.map((etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${xmlEscape(etag)}</ETag></Part>`).join('');
    const body = Buffer.from(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`);
    const answer = await call({ method: 'POST', key, query: { uploadId }, body, read: (response) => response.text(), signal });
    // The answer begins with status 200 before the outcome is known.
    if (xmlElements(answer, 'Error').length > 0)
      throw new MaestroError('storage', `uploading ${key}: ${xmlText(answer, 'Message')} (${xmlText(answer, 'Code')})`);
  } catch (error) {
    await Promise.allSettled(underWay);
    // If this fails too, the first error explains it, and the next writer cleans up.
    await abort(call, key, uploadId).catch(() => undefined);
    throw error;
  } finally {
    inHand.delete(uploadId);
  }
}

/**
 * Aborts the uploads below an `s3://` location that are not in progress in this process: those of dead writers. Only for the single writer
 * of that location: a live upload of another writer fails.
 *
 * @returns the number of aborted uploads
 */
export async function abandonUploads(location: string): Promise<number> {
  const place = parseS3Location(location);
  const call = openS3Client(place.bucket, readS3Settings());
  const left: { readonly key: string; readonly uploadId: string }[] = [];
  for (let marker: Readonly<Record<string, string>> | undefined = {}; marker !== undefined; ) {
    const xml: string = await call({
      method: 'GET',
      query: { uploads: '', prefix: keyOf(place, ''), ...marker },
      read: (response) => response.text(),
    });
    for (const upload of xmlElements(xml, 'Upload')) left.push({ key: xmlText(upload, 'Key')!, uploadId: xmlText(upload, 'UploadId')! });
    marker =
      xmlText(xml, 'IsTruncated') === 'true'
        ? { 'key-marker': xmlText(xml, 'NextKeyMarker') ?? '', 'upload-id-marker': xmlText(xml, 'NextUploadIdMarker') ?? '' }
        : undefined;
  }
  const abandoned = left.filter(({ uploadId }) => !inHand.has(uploadId));
  for (const { key, uploadId } of abandoned) await abort(call, key, uploadId);
  return abandoned.length;
}

async function abort(call: S3Client, key: string, uploadId: string): Promise<void> {
  try {
    await call({ method: 'DELETE', key, query: { uploadId }, read: drain });
  } catch (error) {
    // It has ended meanwhile.
    if ((error as { details?: { code?: unknown } }).details?.code !== 'NoSuchUpload') throw error;
  }
}

const drain = async (response: Response): Promise<void> => void (await response.arrayBuffer());
