import { formatBytes, MaestroError, parseByteSize } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { positiveInteger } from '../terminal/options.ts';
import { forTerminal, printable, printResult } from '../terminal/printResult.ts';

interface PackCommandOptions {
  readonly out: string;
  readonly shardSize: string;
  readonly packedU8?: boolean;
  readonly size: number;
  readonly split: string;
  readonly overwrite?: boolean;
  readonly json?: boolean;
}

/** Adds `maestro dataset pack`: packs a data set into tar shards with an index. */
export function addPackCommand(dataset: Command): void {
  const command = dataset
    .command('pack')
    .description('pack a data set into tar shards (WebDataset) with an index, for `data: { format: webdataset }`')
    .argument(
      '<source>',
      'folder of images (sub-folders are classes), of IDX files, of tar shards with or without an index, or a packed data set elsewhere',
    )
    .requiredOption('--out <place>', 'where to write the shards: a folder, or s3://bucket/prefix')
    .option('--shard-size <size>', 'size at which a new shard is started', '256MB')
    .option('--packed-u8', 'decode images once and pack their pixels: more bytes, but no decoding during training')
    .option('--size <pixels>', 'with --packed-u8: resize images to this shorter side, keeping the aspect ratio', positiveInteger, 256)
    .option('--split <split>', 'for an IDX set: train or test', 'train')
    .option('--overwrite', 'replace an existing packed data set')
    .option('--json', 'print JSON')
    .action(async (source: string, { out, shardSize, packedU8 = false, size, split, overwrite, json }: PackCommandOptions) => {
      const shardBytes = parseByteSize(shardSize, 'dataset pack: --shard-size');
      if (shardBytes < 1) throw new MaestroError('invalid-argument', 'dataset pack: --shard-size must be greater than 0');
      const [{ packDataset }, { openStorage, resolveLocation }, { openAnyDataset }] = await Promise.all([
        import('@maestro/data'),
        import('@maestro/storage'),
        import('../dataset/openAnyDataset.ts'),
      ]);
      const to = openStorage(resolveLocation(out));
      const { opened } = await openAnyDataset(source, split);
      const began = performance.now();
      const packed = await packDataset({
        dataset: opened,
        to,
        overwrite,
        shardBytes,
        pixels: packedU8 ? { shorterSide: size } : undefined,
        onShard: ({ name, samples, sizeBytes }) =>
          void process.stderr.write(`${printable(name)}  ${samples} samples, ${formatBytes(sizeBytes)}\n`),
      });
      const seconds = (performance.now() - began) / 1000;
      const lines = [
        `${packed.samples} samples in ${packed.shards} shards, ${formatBytes(packed.sizeBytes)}, ${seconds.toFixed(1)} s`,
        ...packed.broken.map(({ index, reason }) => `broken: ${opened.name(index)}: ${reason}`),
        `Job file: data: { format: webdataset, path: ${packed.location} }`,
      ];
      printResult(json, { ...packed, seconds }, () => forTerminal(lines).join('\n'));
    });
  withExamples(command, [
    ['maestro dataset pack /data/images --out /data/packed', 'pack image files unchanged into tar shards'],
    ['maestro dataset pack /data/images --out s3://bucket/images', 'pack into an object store, for workers on other machines'],
    ['maestro dataset pack /data/images --out /data/pixels --packed-u8 --size 256', 'for many epochs: images are decoded only once'],
  ]);
}
