import { open, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';

/** A web server of a folder that answers requests for ranges of bytes. */
export interface RangeServer {
  readonly url: string;
  /** Bytes of bodies that it has sent. */
  readonly sentBytes: number;
  close(): Promise<void>;
}

/** Serves a folder on loopback. */
export async function serveFolder(folder: string): Promise<RangeServer> {
  let sentBytes = 0;
  const server = createServer(async (request, response) => {
    const path = join(folder, normalize(decodeURIComponent(new URL(request.url!, 'http://x').pathname)));
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || !found.isFile()) return response.writeHead(404).end();
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const begin = Number(first ?? 0);
    const end = last === undefined ? found.size : Math.min(found.size, Number(last) + 1);
    const file = await open(path);
    const body = Buffer.alloc(end - begin);
    await file.read(body, 0, body.length, begin);
    await file.close();
    if (request.method !== 'HEAD') sentBytes += body.length;
    response.writeHead(first === undefined ? 200 : 206, { 'content-length': body.length });
    return response.end(request.method === 'HEAD' ? undefined : body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    get sentBytes() {
      return sentBytes;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
