import { formatBytes } from '@maestro/protocol';
import { textTable } from '../terminal/textTable.ts';
import type { ExaminedCheckpoint } from './checkpointTable.ts';

/**
 * What `checkpoint verify` checked, for a terminal: each file with its bytes and SHA-256, the checkpoint hash, and the outcome at the end.
 */
export function verifyText({ dir, step, valid, files, problems, extraFiles, checkpointHash, sizeBytes }: ExaminedCheckpoint): string {
  const rows = files.map((file) => [
    file.name,
    file.sizeBytes.toLocaleString('en-US').replaceAll(',', ' '),
    file.sha256,
    file.valid ? 'as written' : 'DIFFERS',
  ]);
  const table = rows.length === 0 ? [] : [textTable([['FILE', 'BYTES', 'SHA-256 IN MANIFEST', 'FOUND'], ...rows], [1])];
  const outcome = valid
    ? [
        `checkpoint hash ${checkpointHash}: matches the tensors`,
        `valid: step ${step}, ${files.length} files, ${formatBytes(sizeBytes!)}, every byte read`,
      ]
    : [
        ...problems.map(({ file, message }) => `${file} ${message}`),
        'INVALID: do not use it; `maestro checkpoint ls` shows which are valid',
      ];
  const extra = extraFiles.length === 0 ? [] : [`not part of it: ${extraFiles.join(', ')}`];
  return [dir, ...table, ...extra, ...outcome].join('\n');
}
