import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '@maestro/cli';
import type { OpenApiDocument } from '../fuzz/openApi.ts';

/** The OpenAPI document that a coordinator of these sources serves. */
export async function servedOpenApi(): Promise<OpenApiDocument> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-docs-'));
  const cluster = await startCluster({ workers: 0, dataDir: dir });
  try {
    return (await (await fetch(`http://${cluster.http}/openapi.json`)).json()) as OpenApiDocument;
  } finally {
    await cluster.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
