import { describe, expect, test } from '@jest/globals';
import { wrongImages } from './imageVectors.ts';
import { loadNativeImages, type NativeImages } from './nativeImages.ts';
import { prepareNative } from './openNative.ts';

const path = (await prepareNative())?.path;
const images = path === undefined ? undefined : loadNativeImages(path);

(images === undefined ? describe.skip : describe)('images', () => {
  test('give the bits of their test vectors', () => {
    expect(wrongImages(images!)).toEqual([]);
  });

  test('that give others are found', () => {
    const other: NativeImages = {
      ...images!,
      weighRows(rows, rowBytes, taps, out) {
        images!.weighRows(rows, rowBytes, taps, out);
        out[0]! ^= 1;
      },
    };
    expect(wrongImages(other)).toEqual(['weighRows', 'lookUpPlanes']);
  });

  test('refuse memory that is too small', () => {
    const taps = { words: new Int32Array(8), entryBytes: 16 };
    const box = { left: 0, top: 0, width: 4, height: 4 };
    expect(() => images!.weighImage(new Uint8Array(47), 4, 3, box, taps, new Uint8Array(24))).toThrow(
      'weighImage needs 48 elements, found 47',
    );
  });
});
