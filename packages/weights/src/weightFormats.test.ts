import { expect, test } from '@jest/globals';
import { WEIGHT_FORMATS, weightFormat } from './index.ts';

test('a format is found by its name, and an unknown name is refused with those that there are', () => {
  for (const format of WEIGHT_FORMATS) expect(weightFormat(format.id)).toBe(format);
  expect(() => weightFormat('pth')).toThrow('format pth: expected one of onnx');
});

test('a checkpoint that is not there is not exported, and no file appears', async () => {
  await expect(WEIGHT_FORMATS[0].write('/nowhere/step-00000001', '/nowhere/encoder.onnx')).rejects.toThrow('/nowhere/step-00000001');
});
