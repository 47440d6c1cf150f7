import { open, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';

/** Misbehaviour of a server: truncates the body, is too busy, or hangs up without an answer. */
export type Misbehaviour = 'cut' | 'busy' | 'gone';

/** A web server of a folder that answers range requests. */
export interface RangeServer {
  readonly url: string;
  /** Bytes of bodies sent. */
  readonly sentBytes: number;
  /** Number of misbehaviours. */
  readonly misbehaved: number;
  close(): Promise<void>;
}

/** Serves a folder on loopback. `misbehave` is called for each range request with the path and the number of earlier ones. */
export async function serveFolder(
  folder: string,
  { misbehave = () => undefined }: { readonly misbehave?: (path: string, before: number) => Misbehaviour | undefined } = {},
): Promise<RangeServer> {
  let [sentBytes, ranges, misbehaved] = [0, 0, 0];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url!, 'http://x');
    const path = join(folder, normalize(decodeURIComponent(pathname)));
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const fault = first === undefined ? undefined : misbehave(pathname, ranges++);
    if (fault !== undefined) misbehaved++;
    if (fault === 'gone') return request.socket.destroy();
    if (fault === 'busy') return response.writeHead(503).end();
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || !found.isFile()) return response.writeHead(404).end();
    const begin = Number(first ?? 0);
    const end = last === undefined ? found.size : Math.min(found.size, Number(last) + 1);
    const file = await open(path);
    const body = Buffer.alloc(end - begin);
    await file.read(body, 0, body.length, begin);
    await file.close();
    response.writeHead(first === undefined ? 200 : 206, { 'content-length': body.length });
    if (fault === 'cut') return response.write(body.subarray(0, body.length >> 1), () => request.socket.destroy());
    if (request.method !== 'HEAD') sentBytes += body.length;
    return response.end(request.method === 'HEAD' ? undefined : body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    get sentBytes() {
      return sentBytes;
    },
    get misbehaved() {
      return misbehaved;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
