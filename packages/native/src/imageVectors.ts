import { createHash } from 'node:crypto';
import type { NativeImages, NativeTaps } from './nativeImages.ts';

/** 45 x 27 pixels of 4:2:0 with restart markers. */
export const JPEG = [
  '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx',
  '4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAARCAAbAC0DASIAAhEBAxEB/8QAGAAAAwEBAAAAAAAAAAAA',
  'AAAAAgQFAwH/xAAtEAACAQMCAwYGAwAAAAAAAAABAgMABBESITFBcQUTFCIygSNRYZGx8EJTof/EABcBAQEBAQAAAAAAAAAAAAAAAAIDAQD/xAAnEQABAwIEBQUAAAAAAA',
  'AAAAABAAIRAzESIUGREyJxodFCUWGx8P/dAAQAA//aAAwDAQACEQMRAD8AiW8Gm2YkcRge9OrbaLZQcDUQN/vVIdnhEQNhVUF2zyHz/Ndd7NJ0Ek6HA2C+bf2z9KFMtLQY',
  'knNUfXmWt6b37JbuBiONVyfUdv36013AaVECjyDfqf0Vzx9sbpwkcsugYXChV2678fpWUPak7SNNHboqbnDZJ++3KuLCfTH7dTIqPNsiewVCKDVcnYEDCjbH7zrOa5tYZW',
  '72ZQSeABJA5ZABxtipY8dJA7STSEsukhTpznngdaO37OVYhrIGeGTRdRYBzHZFtBriOI758L//0Mo7S0Ds7zxaVONmDbDpRwNZBZLguWO5C6G9hkimbO2h8K3wx6G/FNxW',
  '0PhH+GP4/kVPiwACTp9T5QNbLESdSpcMttHaPpt5SSuFUgAE/ej79xbaUs1DMQAS/wDvDpWfb1zLZ3UEVuVRGQsRpByQccxS0t9cyvEjSkKFDDSApySRxFWawuGIdblMU8',
  'TJAygC51T0j3rRpCkcSH1EqhyPlxJHzrs6doOQglzoH9a8T7dKVSWWS4ZHlkZRhcFzwxwoUgiLyZQHzHj1rMIbBMbLKjAQW5Xi3sv/2Q==',
].join('');

const BOX = { left: 3, top: 1, width: 41, height: 26 };
const SIDE = 6;

/** Six entries of five taps, the last pair with one: weights by formula, as large as those of a bicubic resize. */
function taps(length: number): NativeTaps {
  const entryWords = 2 + 2 * 3;
  const words = new Int32Array(SIDE * entryWords);
  for (let x = 0; x < SIDE; x++) {
    words.set([Math.floor((x * (length - 5)) / (SIDE - 1)), 3], x * entryWords);
    for (let pair = 0; pair < 3; pair++) {
      const high = pair === 2 ? 64 + x : ((x * 40 + 300 * pair) & 0xffff) | ((-70 + 9 * x) << 16);
      words.set([high, pair === 2 ? 17 : 4095 | (x << 16)], x * entryWords + 2 + 2 * pair);
    }
  }
  return { words, entryBytes: 4 * entryWords };
}

/** SHA-256 of what each function gives, first 16 digits. */
const HASHES: Readonly<Record<string, string>> = {
  decodeJpeg: 'bdb3f8beb75eff11',
  decodeTaps: 'e971831edc834030',
  weighImage: 'e971831edc834030',
  weighRows: 'bf0975edd5a688f2',
  lookUpPlanes: 'c6eb1e959886ce88',
};

/** Returns the names of the functions that give other bits than they should. */
export function wrongImages(images: NativeImages): string[] {
  const jpeg = Uint8Array.from(Buffer.from(JPEG, 'base64'));
  const wrong: string[] = [];
  const check = (name: string, bytes: Uint8Array | Float32Array): void => {
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    if (hash !== HASHES[name]) wrong.push(name);
  };
  if (images.jpegSize(jpeg)?.width !== 45) return ['jpegSize'];
  const pixels = new Uint8Array(3 * BOX.width * BOX.height);
  if (!images.decodeJpeg(jpeg, BOX, pixels)) return ['decodeJpeg'];
  check('decodeJpeg', pixels);
  const rows = new Uint8Array(3 * SIDE * (BOX.height + 1));
  images.decodeJpeg(jpeg, BOX, rows, taps(BOX.width));
  check('decodeTaps', rows);
  images.weighImage(pixels, BOX.width, 3, { left: 0, top: 0, width: BOX.width, height: BOX.height }, taps(BOX.width), rows);
  check('weighImage', rows);
  const square = new Uint8Array(3 * SIDE * SIDE);
  images.weighRows(rows, 3 * SIDE, taps(BOX.height), square);
  check('weighRows', square);
  const planes = new Float32Array(3 * SIDE * SIDE);
  const table = Float32Array.from({ length: 768 }, (_, i) => i / 7);
  images.lookUpPlanes(square, 3, SIDE, table, true, planes);
  check('lookUpPlanes', planes);
  return wrong;
}
