import { open, readFile, writeFile } from 'node:fs/promises';
import { type LogLabels, labelsKey, queryLabelsOf } from '../stream/labels.ts';
import type { LogLine, NewLine } from '../stream/logLine.ts';
import { parseLine } from '../stream/parseLine.ts';

/** Bytes after which a new index entry begins: the unit of reading. */
export const BLOCK_BYTES = 64 * 1024;

/** Some consecutive lines of a segment. */
export interface Block {
  readonly offset: number;
  bytes: number;
  /** Ordinal of its first line. */
  readonly ordinal: number;
  lines: number;
  minMs: number;
  maxMs: number;
  /** Indices in {@link Segment.sets} of the labels that occur. */
  readonly sets: number[];
}

/** A set of labels that occurs in a segment, with its counts. */
export interface LabelSet {
  readonly labels: LogLabels;
  lines: number;
  bytes: number;
}

/** A file of lines with its index. Lines are appended; blocks and label sets tell where to look. */
export interface Segment {
  readonly path: string;
  readonly ordinal: number;
  lines: number;
  bytes: number;
  readonly blocks: Block[];
  readonly sets: LabelSet[];
  readonly setByKey: Map<string, number>;
}

/** A segment without lines. */
export function emptySegment(path: string, ordinal: number): Segment {
  return { path, ordinal, lines: 0, bytes: 0, blocks: [], sets: [], setByKey: new Map() };
}

const keys = new WeakMap<LogLabels, string>();

function keyOf(labels: LogLabels): string {
  let key = keys.get(labels);
  if (key === undefined) {
    key = labelsKey(queryLabelsOf(labels));
    keys.set(labels, key);
  }
  return key;
}

/** Indexes a line at the segment's end; `bytes` includes its newline. */
export function indexLine(segment: Segment, { labels, timeMs }: Pick<NewLine, 'labels' | 'timeMs'>, bytes: number): void {
  let block = segment.blocks.at(-1);
  if (block === undefined || block.bytes >= BLOCK_BYTES) {
    block = { offset: segment.bytes, bytes: 0, ordinal: segment.ordinal + segment.lines, lines: 0, minMs: timeMs, maxMs: timeMs, sets: [] };
    segment.blocks.push(block);
  }
  const key = keyOf(labels);
  let set = segment.setByKey.get(key);
  if (set === undefined) {
    set = segment.sets.push({ labels, lines: 0, bytes: 0 }) - 1;
    segment.setByKey.set(key, set);
  }
  segment.sets[set]!.lines++;
  segment.sets[set]!.bytes += bytes;
  if (!block.sets.includes(set)) block.sets.push(set);
  block.lines++;
  block.bytes += bytes;
  block.minMs = Math.min(block.minMs, timeMs);
  block.maxMs = Math.max(block.maxMs, timeMs);
  segment.lines++;
  segment.bytes += bytes;
}

/** Reads the lines of a block. */
export async function readBlock(segment: Segment, { offset, bytes, ordinal, lines }: Readonly<Block>): Promise<LogLine[]> {
  // The block may grow while it is read: use the size known at the start.
  const buffer = Buffer.allocUnsafe(bytes);
  const file = await open(segment.path, 'r');
  try {
    await file.read(buffer, 0, bytes, offset);
  } finally {
    await file.close();
  }
  const texts = buffer.toString('utf8').split('\n');
  return texts.slice(0, lines).map((text, i) => {
    const { timeMs, labels } = parseLine(text, 0);
    return { ordinal: ordinal + i, timeMs, labels, text };
  });
}

const indexPath = (path: string): string => path.replace(/\.ndjson$/, '.index.json');

/** Writes the index of a full segment next to it. */
export async function saveIndex({ path, lines, bytes, blocks, sets }: Segment): Promise<void> {
  await writeFile(indexPath(path), JSON.stringify({ version: 1, lines, bytes, sets, blocks }));
}

/** Returns the files of a segment. */
export function segmentFiles(path: string): string[] {
  return [path, indexPath(path)];
}

/** Opens a segment of `bytes` bytes: by its index if that agrees, otherwise by reading it. An incomplete last line does not count. */
export async function openSegment(path: string, ordinal: number, bytes: number): Promise<Segment> {
  const known = await readIndex(path);
  if (known !== undefined && known.bytes === bytes) {
    const setByKey = new Map(known.sets.map(({ labels }, i) => [labelsKey(queryLabelsOf(labels)), i]));
    return { path, ordinal, ...known, setByKey };
  }
  const segment = emptySegment(path, ordinal);
  const content = (await readFile(path)).subarray(0, bytes);
  for (let at = 0, end = content.indexOf(10); end >= 0; at = end + 1, end = content.indexOf(10, at)) {
    indexLine(segment, parseLine(content.toString('utf8', at, end), 0), end + 1 - at);
  }
  return segment;
}

type SavedIndex = Pick<Segment, 'lines' | 'bytes' | 'blocks' | 'sets'> & { readonly version: number };

async function readIndex(path: string): Promise<SavedIndex | undefined> {
  try {
    const index = JSON.parse(await readFile(indexPath(path), 'utf8')) as SavedIndex;
    return index.version === 1 ? index : undefined;
  } catch {
    return undefined; // Not written yet, or torn by a crash: the segment itself has the same information.
  }
}
