import { holdLibrary } from './holdLibrary.ts';
import { openKoffi } from './nativeLibrary.ts';

/** A rectangle of an image, in whole pixels. */
export interface ImageBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Weights of a resize in one direction, in the layout of `PixelKernels` in packages/kernels. */
export interface NativeTaps {
  readonly words: Int32Array;
  /** Bytes of each output pixel's entry. */
  readonly entryBytes: number;
}

/** Size of a JPEG file, and whether EXIF orientation turns it. */
export interface JpegSize {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly isTurned: boolean;
}

/** Images in C, to the bits of the portable path: libjpeg-turbo's pixels, and the resampler of packages/data. For one thread. */
export interface NativeImages {
  /**
   * Returns the upright size of a JPEG file that can be decoded here: 8 bits, baseline, one scan, grey or YCbCr of 4:4:4, 4:2:2 or 4:2:0;
   * undefined for any other file.
   */
  jpegSize(bytes: Uint8Array): JpegSize | undefined;
  /**
   * Decodes a box of such a file to `out`: [height, width, channels], upright; with `taps`, which a turned file cannot have, each row is
   * resized: [height, taps' size, channels].
   * Returns false, with `out` undefined, where the file has a fault or anything unusual: another decoder then says what it comes to.
   */
  decodeJpeg(bytes: Uint8Array, box: ImageBox, out: Uint8Array, taps?: NativeTaps): boolean;
  /** Resizes the rows of a box of `pixels` ([height, rowWidth, channels]) to `out`: [box.height, taps' size, channels]. */
  weighImage(pixels: Uint8Array, rowWidth: number, channels: number, box: ImageBox, taps: NativeTaps, out: Uint8Array): void;
  /** Resizes columns: rows of `rowBytes` become as many as `taps` have entries. `rows` has one more than the taps ask for. */
  weighRows(rows: Uint8Array, rowBytes: number, taps: NativeTaps, out: Uint8Array): void;
  /** See `PlaneWriter` in packages/data. `table` is [planes, 256]. */
  lookUpPlanes(pixels: Uint8Array, channels: number, side: number, table: Float32Array, isFlipped: boolean, out: Float32Array): void;
}

/** Bytes that a row may be read beyond its end. */
const ROW_SLACK = 64;

/** Loads a library; undefined where it cannot be used here. */
export function loadNativeImages(path: string): NativeImages | undefined {
  const koffi = openKoffi();
  if (koffi === undefined) return undefined;
  const library = holdLibrary(koffi, path);
  if (library.func('const char *maestro_isa_at(int)')(0) === null) return undefined;
  const jpegSize = library.func('int maestro_jpeg_size(void *, int64_t, void *)');
  const jpegScratch = library.func('int64_t maestro_jpeg_scratch(int64_t, int64_t)');
  const jpegDecode = library.func('int maestro_jpeg_decode(void *, int64_t, void *, void *, void *, int64_t, int, void *, int64_t)');
  const weighImage = library.func(
    'void maestro_weigh_image(void *, void *, int64_t, int64_t, int64_t, int64_t, int, void *, int64_t, int, void *)',
  );
  const weighRows = library.func('void maestro_weigh_rows(void *, void *, int64_t, void *, int64_t, int)');
  const lookUpPlanes = library.func('void maestro_look_up_planes(void *, void *, void *, int64_t, int, int, int)');
  const size = new Int32Array(4);
  const place = new Int32Array(4);
  let scratch = new Uint8Array(0);
  const scratchOf = (length: number): Uint8Array => {
    if (scratch.length < length) scratch = new Uint8Array(Math.ceil(1.25 * length));
    return scratch;
  };
  return {
    jpegSize(bytes) {
      if (jpegSize(bytes, bytes.length, size) === 0) return undefined;
      return { width: size[0]!, height: size[1]!, channels: size[2] as 1 | 3, isTurned: size[3] !== 1 };
    },
    decodeJpeg(bytes, { left, top, width, height }, out, taps) {
      place.set([left, top, width, height]);
      // A turned box lies there before it is turned.
      const room = scratchOf(Number(jpegScratch(bytes.length, Math.max(width, height))) + (taps === undefined ? 3 * width * height : 0));
      const across = taps === undefined ? [null, 0, 0] : [taps.words, taps.entryBytes, entriesOf(taps)];
      return jpegDecode(bytes, bytes.length, place, out, ...across, room, room.length) === 1;
    },
    weighImage(pixels, rowWidth, channels, { left, top, width, height }, taps, out) {
      const rowBytes = rowWidth * channels;
      const from = top * rowBytes + left * channels;
      checkRoom('weighImage', out.length, height * entriesOf(taps) * channels);
      checkRoom('weighImage', pixels.length, from + (height - 1) * rowBytes + width * channels);
      const row = scratchOf(rowBytes + ROW_SLACK);
      weighImage(out, pixels, from, pixels.length, height, rowBytes, channels, taps.words, taps.entryBytes, entriesOf(taps), row);
    },
    weighRows(rows, rowBytes, taps, out) {
      checkRoom('weighRows', out.length, entriesOf(taps) * rowBytes);
      weighRows(out, rows, rowBytes, taps.words, taps.entryBytes, entriesOf(taps));
    },
    lookUpPlanes(pixels, channels, side, table, isFlipped, out) {
      const planes = table.length / 256;
      checkRoom('lookUpPlanes', pixels.length, side * side * channels);
      checkRoom('lookUpPlanes', out.length, side * side * planes);
      lookUpPlanes(out, pixels, table, side, channels, planes, isFlipped ? 1 : 0);
    },
  };
}

const entriesOf = ({ words, entryBytes }: NativeTaps): number => words.byteLength / entryBytes;

function checkRoom(name: string, found: number, needed: number): void {
  if (found < needed) throw new RangeError(`native: ${name} needs ${needed} elements, found ${found}`);
}
