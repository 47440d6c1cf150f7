import { createHash } from 'node:crypto';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { z } from 'zod';
import type { FileDigest } from './fileDigest.ts';

/** Names of a checkpoint's files. Others may be added later: a manifest lists all that it covers. */
export const MODEL_FILE = 'model.safetensors';
/**
 * The moments of every parameter that is trained, under PyTorch's names: `<name>.exp_avg` and `<name>.exp_avg_sq`, or
 * `<name>.momentum_buffer`.
 */
export const OPTIMIZER_FILE = 'optimizer.safetensors';
/**
 * Only where replicas train apart, whose outer parameters are the model: the outer momentum, `outer.<name>.momentum`, and the moments of
 * every replica but the first, `replica<k>.<name>.exp_avg` and so on. Those of the first are in the optimizer file.
 */
export const REPLICAS_FILE = 'replicas.safetensors';
/** Everything else that a resume needs: step, epoch, cursor, seed, configuration, identity. */
export const STATE_FILE = 'state.json';
/** Written last: a folder without it is not a checkpoint. */
export const MANIFEST_FILE = 'manifest.json';

/** Content of a manifest. */
export interface Manifest {
  readonly step: number;
  /** See checkpointHash. */
  readonly checkpointHash: string;
  /** Size and SHA-256 of every file but the manifest, in name order. */
  readonly files: Readonly<Record<string, FileDigest>>;
}

const FORMAT = 'maestro-checkpoint';
const VERSION = 1;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits');
const fileName = z.string().regex(/^[\w-][\w.-]*$/, 'expected a plain file name');
const schema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  step: z.int().nonnegative(),
  checkpointHash: sha256,
  files: z.record(fileName, z.strictObject({ sizeBytes: z.int().nonnegative(), sha256 })),
  manifestSha256: sha256,
});

/**
 * Encodes `manifest.json`: equal manifests give equal bytes. Its last field is the SHA-256 of the manifest without that field, so that
 * damage to the manifest itself is detected too.
 */
export function encodeManifest({ step, checkpointHash, files }: Manifest): string {
  const sortedFiles = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
  const body = { format: FORMAT, version: VERSION, step, checkpointHash, files: sortedFiles };
  const manifestSha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex');
  return `${JSON.stringify({ ...body, manifestSha256 }, null, 2)}\n`;
}

/**
 * Parses a manifest and accepts only the exact output of {@link encodeManifest}.
 *
 * @throws MaestroError `checkpoint-invalid` that says what is wrong
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw new MaestroError('checkpoint-invalid', `is not JSON: ${errorMessage(cause)}`, { cause });
  }
  const { version } = (typeof json === 'object' && json !== null ? json : {}) as Record<string, unknown>;
  if (typeof version === 'number' && version > VERSION) {
    throw new MaestroError('checkpoint-invalid', `has version ${version}, but this build reads version ${VERSION}; use a newer maestro`);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new MaestroError('checkpoint-invalid', `is malformed: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`);
  const missing = [MODEL_FILE, OPTIMIZER_FILE, STATE_FILE].filter((name) => parsed.data.files[name] === undefined);
  if (missing.length > 0) throw new MaestroError('checkpoint-invalid', `does not list ${missing.join(' and ')}`);
  if (!Buffer.from(encodeManifest(parsed.data)).equals(bytes)) {
    throw new MaestroError('checkpoint-invalid', 'was changed after it was written: its SHA-256 does not match');
  }
  const { step, checkpointHash, files } = parsed.data;
  return { step, checkpointHash, files };
}
