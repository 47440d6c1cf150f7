import { formatBytes } from '@maestro/protocol';
import { textTable } from '../terminal/textTable.ts';
import type { ExaminedCheckpoint } from './checkpointTable.ts';

/** Formats the checks of `checkpoint verify`: each file with its bytes and SHA-256, the checkpoint hash, and finally the outcome. */
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
