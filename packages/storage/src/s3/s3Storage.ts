import { bodyBytes, bodyWithin } from '../request.ts';
import type { Storage, StoredObject } from '../storage.ts';
import { openS3Client, type S3Client, type S3Settings } from './s3Client.ts';
import { keyOf, parseS3Location } from './s3Location.ts';
import { uploadObject } from './s3Upload.ts';
import { xmlElements, xmlText } from './s3Xml.ts';

/** Opens the storage below a prefix of a bucket. An object appears when its upload is complete. */
export function openS3(location: string, settings: S3Settings): Storage {
  const place = parseS3Location(location);
  const call = openS3Client(place.bucket, settings);
  const { bucket, prefix } = place;
  const root = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;

  const read = (name: string, { begin, end }: { begin: number; end: number }, etag: string | undefined, signal?: AbortSignal) =>
    call({
      method: 'GET',
      key: keyOf(place, name),
      headers: { range: `bytes=${begin}-${end - 1}`, ...(etag !== undefined && { 'if-match': etag }) },
      read: (response) => bodyBytes(response, end - begin, `${root}/${name}`),
      signal,
    });

  const head = (name: string, signal?: AbortSignal) =>
    call({ method: 'HEAD', key: keyOf(place, name), read: async ({ headers }) => headers, signal });

  return {
    location: root,

    list: (folder = '', signal) =>
      listObjects(call, keyOf(place, folder === '' ? '' : `${folder}/`), prefix.length && prefix.length + 1, signal),

    async open(name, { signal } = {}) {
      const headers = await head(name, signal);
      const sizeBytes = Number(headers.get('content-length'));
      const etag = headers.get('etag') ?? undefined;
      return {
        sizeBytes,
        modifiedAt: new Date(headers.get('last-modified') ?? 0),
        changedMs: async () => 0,
        async read(target, at, signal) {
          const end = Math.min(at + target.length, sizeBytes);
          if (end <= at) return 0;
          target.set(await read(name, { begin: at, end }, etag, signal));
          return end - at;
        },
        close: async () => undefined,
      };
    },

    readRange: (name, range, signal) => read(name, range, undefined, signal),

    readWhole: (name, { limitBytes, signal }) =>
      call({ method: 'GET', key: keyOf(place, name), read: (response) => bodyWithin(response, limitBytes, `${root}/${name}`), signal }),

    sizeOf: async (name, signal) => Number((await head(name, signal)).get('content-length')),

    write: (name, parts, options) => uploadObject(call, keyOf(place, name), parts, options),

    remove: (name) => call({ method: 'DELETE', key: keyOf(place, name), read: async () => undefined }),
  };
}

/** Lists all objects whose key begins with `prefix`, page by page; the first `cut` characters of the keys are removed. */
async function listObjects(call: S3Client, prefix: string, cut: number, signal?: AbortSignal): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  for (let token: string | undefined = ''; token !== undefined; ) {
    const xml: string = await call({
      method: 'GET',
      query: { 'list-type': '2', prefix, ...(token !== '' && { 'continuation-token': token }) },
      read: (response) => response.text(),
      signal,
    });
    for (const entry of xmlElements(xml, 'Contents')) {
      const key = xmlText(entry, 'Key')!;
      // Some tools create these as folder placeholders.
      if (key.endsWith('/')) continue;
      objects.push({
        name: key.slice(cut),
        sizeBytes: Number(xmlText(entry, 'Size')),
        modifiedAt: new Date(xmlText(entry, 'LastModified')!),
      });
    }
    token = xmlText(xml, 'IsTruncated') === 'true' ? xmlText(xml, 'NextContinuationToken') : undefined;
  }
  return objects;
}
