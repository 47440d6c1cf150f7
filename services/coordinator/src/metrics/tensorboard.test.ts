import { describe, expect, test } from '@jest/globals';
import { recipeOf } from '@maestro/protocol';
import { crc32c, maskedCrc32c } from './crc32c.ts';
import { exportRows } from './exports.ts';
import type { StepRow } from './history.ts';

const rows: StepRow[] = [1, 2, 300].map((step) => ({
  step,
  timeMs: 1_700_000_000_000 + step,
  images: 64,
  stepSeconds: 0.5,
  metrics: { loss: 1 / step, learningRate: 1e-3, gradNorm: 2 },
}));
/** Of a recipe that tells no loss, and something else instead. */
const restored: StepRow[] = [
  { ...rows[0]!, metrics: { psnr: 20 } },
  { ...rows[1]!, metrics: {} },
];
const pretrain = recipeOf({ recipe: 'mae-pretrain' });
const restoring = { verb: 'training' as const, series: [{ name: 'psnr', label: 'PSNR', unit: 'number' as const }] };
const tagsOf = (event: Buffer) =>
  fieldsOf(value(event, 5) as Buffer).map(({ value: scalar }) => [String(value(scalar as Buffer, 1)), value(scalar as Buffer, 2)]);

describe('crc32c', () => {
  // RFC 3720, B.4.
  test.each([
    [Buffer.alloc(32), 0x8a9136aa],
    [Buffer.alloc(32, 0xff), 0x62a8ab43],
    [Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ])('is the one of the standard', (bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });
});

/** Reads TFRecord by its description, checking both checksums of every record. */
function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(maskedCrc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(data).toHaveLength(length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

/** Reads a protobuf message's fields, whatever they are. */
function fieldsOf(data: Buffer): { readonly field: number; readonly value: number | Buffer }[] {
  const fields: { field: number; value: number | Buffer }[] = [];
  let at = 0;
  const varint = (): number => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = data[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  while (at < data.length) {
    const key = varint();
    const [field, type] = [key >>> 3, key & 7];
    if (type === 0) fields.push({ field, value: varint() });
    else if (type === 1) {
      fields.push({ field, value: data.readDoubleLE(at) });
      at += 8;
    } else if (type === 5) {
      fields.push({ field, value: data.readFloatLE(at) });
      at += 4;
    } else {
      const length = varint();
      fields.push({ field, value: data.subarray(at, at + length) });
      at += length;
    }
  }
  return fields;
}
const value = (data: Buffer, of: number) => fieldsOf(data).find(({ field }) => field === of)?.value;

test('the event file has its version, then each step with wall time and scalars by tag', () => {
  const [version, ...events] = recordsOf(exportRows('tensorboard', rows, { recipe: pretrain, startMs: 1_600_000_000_000 }));
  expect(value(version!, 1)).toBe(1_600_000_000);
  expect(String(value(version!, 3))).toBe('brain.Event:2');
  expect(events.map((event) => value(event, 2))).toEqual([1, 2, 300]);
  expect(value(events[2]!, 1)).toBe(1_700_000_000.3);
  expect(tagsOf(events[2]!)).toEqual([
    ['train/loss', Math.fround(1 / 300)],
    ['train/learning_rate', Math.fround(1e-3)],
    ['train/gradient_norm', 2],
    ['speed/images_per_second', 128],
    ['speed/step_seconds', 0.5],
  ]);
});

test('CSV and JSON lines say the same', () => {
  const csv = exportRows('csv', rows, { recipe: pretrain, startMs: 0 }).toString().trimEnd().split('\n');
  expect(csv[0]).toBe('step,time,loss,learningRate,gradNorm,images,stepSeconds,imagesPerSecond');
  expect(csv[1]).toBe('1,2023-11-14T22:13:20.001Z,1,0.001,2,64,0.5,128');
  const [first] = exportRows('jsonl', rows, { recipe: pretrain, startMs: 0 }).toString().split('\n');
  expect(Object.values(JSON.parse(first!) as object).join(',')).toBe(csv[1]);
});

test('a recipe has its own metrics in every format, none of others, and nothing at a step that did not tell them', () => {
  const recipe = { recipe: restoring, startMs: 0 };
  const [, first, second] = recordsOf(exportRows('tensorboard', restored, recipe));
  const speed = [
    ['speed/images_per_second', 128],
    ['speed/step_seconds', 0.5],
  ];
  expect(tagsOf(first!)).toEqual([['train/psnr', 20], ...speed]);
  expect(tagsOf(second!)).toEqual(speed);
  expect(exportRows('csv', restored, recipe).toString().trimEnd().split('\n')).toEqual([
    'step,time,psnr,images,stepSeconds,imagesPerSecond',
    '1,2023-11-14T22:13:20.001Z,20,64,0.5,128',
    '2,2023-11-14T22:13:20.002Z,,64,0.5,128',
  ]);
  const [told, untold] = exportRows('jsonl', restored, recipe).toString().split('\n');
  expect(JSON.parse(told!)).toMatchObject({ step: 1, psnr: 20 });
  expect(JSON.parse(untold!)).not.toHaveProperty('psnr');
});
