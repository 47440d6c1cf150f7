import { maskedCrc32c } from './crc32c.ts';
import type { StepRow } from './history.ts';
import type { Series } from './series.ts';

type Tagged = Pick<Series, 'tag' | 'of'>;

/**
 * Encodes a TensorBoard event file: a record for the version, then one for each row. Records are those of TFRecord (length as 64-bit
 * little-endian and its masked CRC-32C, data and its own), the data is the protobuf message tensorflow.Event.
 */
export function eventFile(
  rows: readonly StepRow[],
  { series, startMs }: { readonly series: readonly Tagged[]; readonly startMs: number },
): Buffer {
  const version = message(doubleField(1, startMs / 1000), bytesField(3, Buffer.from('brain.Event:2')));
  return Buffer.concat([version, ...rows.map((row) => rowEvent(row, series))].map(record));
}

/** Event: wall_time = 1 (double), step = 2 (int64), file_version = 3 (string), summary = 5. */
function rowEvent(row: StepRow, series: readonly Tagged[]): Buffer {
  const scalars = series.flatMap(({ tag, of }) => {
    const value = of(row);
    return value === undefined ? [] : [bytesField(1, scalar(tag, value))];
  });
  const summary = message(...scalars);
  return message(doubleField(1, row.timeMs / 1000), varintField(2, row.step), bytesField(5, summary));
}

/** Summary.Value: tag = 1 (string), simple_value = 2 (float). */
function scalar(tag: string, value: number): Buffer {
  const float = Buffer.alloc(4);
  float.writeFloatLE(value);
  return message(bytesField(1, Buffer.from(tag)), Buffer.from([(2 << 3) | 5]), float);
}

function record(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, checksum(length), data, checksum(data)]);
}

function checksum(bytes: Uint8Array): Buffer {
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(maskedCrc32c(bytes));
  return crc;
}

const message = (...fields: readonly Buffer[]): Buffer => Buffer.concat(fields);

function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = (field << 3) | 1;
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

function varintField(field: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([field << 3]), varint(value)]);
}

function bytesField(field: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2]), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
