import { type BatchInput, type BatchViews, elementsOf, type FillProgress } from '@maestro/protocol';
import { permutation, randomStream } from '@maestro/random';
import type { Dataset } from '../formats/dataset.ts';
import { type AugmentConfig, drawCrop, drawFlip } from '../images/augment.ts';
import type { BrokenImage } from '../images/imageCodec.ts';
import { createPlaneWriter } from '../images/normalisation.ts';
import { createSquareReader } from '../images/squareReader.ts';
import { addDigests, sampleDigest } from '../schedule/sampleDigest.ts';
import type { PositionRange } from '../schedule/schedule.ts';
import { readingDigest, watchContents } from './contentHash.ts';
import { fillFault } from './fillFault.ts';
import { evaluationCrop } from './loadImages.ts';
import type { FillerSource, SampleAddress, SampleFiller, SampleToFill } from './sampleFiller.ts';
import type { SkippedSample } from './skippedSample.ts';

/** Everything but data set and positions that decides the content of a batch. All of it is part of the job's identity. */
export interface BatchConfig {
  /** Side of the square images, in pixels. */
  readonly imageSize: number;
  readonly channels: 1 | 3;
  readonly augment: AugmentConfig;
  readonly seed: number;
  /** Model inputs of each sample. */
  readonly inputs: readonly BatchInput[];
}

/** Result of filling a batch: `count` images at its front, and the samples that were left out. */
export interface FilledBatch {
  readonly count: number;
  readonly skipped: readonly SkippedSample[];
  /** Digest of all samples taken, including broken ones: proves that each was taken once. */
  readonly digest: number;
  /** Digest of the same samples and their bytes ({@link readingDigest}, added modulo 2^52). */
  readonly content: number;
  /** Pairs of samples and their content hashes, to compare with other members' readings; empty when the fingerprint suffices. */
  readonly readings: Float64Array;
}

/** Number of samples announced ahead: a round trip to their storage takes as long as decoding one or a few. */
const READ_AHEAD = 16;

/**
 * One extra sample is read per this many taken: the same ones by all members of a job, cycling through the whole set, so that copies are
 * also compared at samples that no two members would both train on.
 */
const SAMPLES_PER_CHECK = 32;
/** Epoch of that permutation; no job reaches it. */
const CHECK_EPOCH = 2 ** 32 - 1;

/** What fills in the inputs of a sample, and who is told how it gets on. */
export interface BatchFillerParts extends Pick<FillerSource, 'author' | 'writesAll'> {
  readonly fillSample: SampleFiller;
  readonly progress: FillProgress;
}

/** Fills a batch's memory: a pure function of (data set, config, positions), whoever calls it and whatever was filled before. */
export type BatchFiller = (positions: PositionRange, views: BatchViews) => Promise<FilledBatch>;

/**
 * Creates a filler that calls `fillSample` for one sample after the other; each input is [count, ...shape]. A broken sample takes no place:
 * those after it move up.
 *
 * @throws MaestroError (from the filler) when a sample cannot be read at all, which is no property of the sample; `invalid-argument` that
 * names author and sample when `fillSample` throws, or returns before an image is read.
 */
export function createBatchFiller(
  dataset: Dataset,
  { imageSize, channels, augment, seed, inputs }: BatchConfig,
  { fillSample, author, writesAll = false, progress }: BatchFillerParts,
): BatchFiller {
  let content = 0;
  const watched = watchContents(dataset, (_index, hash) => {
    content = hash;
  });
  const reader = createSquareReader(watched, imageSize, channels);
  const writePlanes = createPlaneWriter(imageSize, augment);
  const centralBox = evaluationCrop(dataset);
  let order = permutation({ seed, epoch: 0, length: dataset.length });
  let orderEpoch = 0;
  const isCompared = !dataset.isFingerprintWhole;
  const checkOrder = permutation({ seed, epoch: CHECK_EPOCH, length: dataset.length });
  let taken = 0;
  let checked = 0;

  /** Reads the check samples that are due after `asked` more were taken; returns their readings. */
  const check = async (asked: number): Promise<number[]> => {
    const readings: number[] = [];
    taken += asked;
    for (; checked * SAMPLES_PER_CHECK < taken; checked++) {
      const index = checkOrder(checked % dataset.length);
      await watched.read(index);
      readings.push(index, content);
    }
    return readings;
  };

  /** State of the current sample's image: `unread`, `read`, or the reason it is broken. */
  let image: 'unread' | 'read' | BrokenImage = 'unread';
  /** Images of the current sample that are being read, and why one could not be. */
  let reads = 0;
  let readError: unknown;
  const readImage = async (address: SampleAddress, out: Float32Array, crop: 'random' | 'central'): Promise<void> => {
    const isRandom = crop === 'random';
    reads++;
    progress.reading();
    try {
      const pixels = await reader.read(address.index, (width, height) =>
        isRandom ? drawCrop(address, { width, height }, augment) : centralBox(width, height),
      );
      image = 'broken' in pixels ? pixels : 'read';
      if ('broken' in pixels) return;
      writePlanes(pixels, { out, offset: 0, isFlipped: isRandom && augment.flip && drawFlip(address) });
    } catch (error) {
      readError ??= error;
      throw error;
    } finally {
      reads--;
      progress.readDone();
    }
  };
  /** Has one sample filled in. */
  const fillOne = async (address: SampleAddress, out: BatchViews): Promise<void> => {
    image = 'unread';
    readError = undefined;
    progress.begin(address.index);
    try {
      await fillSample(sampleAt(address), out);
    } catch (error) {
      // An image that cannot be read is nobody's mistake in the code.
      throw readError ?? fillFault(author, { dataset, sample: address.index }, error);
    } finally {
      progress.end();
    }
    if (readError !== undefined) throw readError;
    if (reads > 0) {
      throw fillFault(author, { dataset, sample: address.index }, 'it returned before readImage was done; await it, or return its promise');
    }
  };
  const sampleAt = (address: SampleAddress): SampleToFill => ({
    ...address,
    label: dataset.label(address.index),
    readImage: (out, crop = 'random') => readImage(address, out, crop),
    random: (name) => randomStream({ ...address, purpose: `recipe.${name}` }),
  });
  /** Returns the inputs at one place of a batch, zeroed unless they are written whole: a large image takes 0.1 ms. */
  const placeOf = (views: BatchViews, place: number): BatchViews =>
    Object.fromEntries(
      inputs.map((input) => {
        const length = elementsOf(input);
        const own = views[input.name]!.subarray(place * length, (place + 1) * length);
        if (!writesAll) {
          if (own instanceof BigInt64Array) own.fill(0n);
          else own.fill(0);
        }
        return [input.name, own];
      }),
    );

  return async ({ epoch, first, count: asked }, views) => {
    if (epoch !== orderEpoch) {
      order = permutation({ seed, epoch, length: dataset.length });
      orderEpoch = epoch;
    }
    const skipped: SkippedSample[] = [];
    let count = 0;
    let announced = first;
    let digest = 0;
    let contents = 0;
    const readings: number[] = [];
    for (let position = first; position < first + asked; position++) {
      const index = order(position);
      for (; announced < Math.min(first + asked, position + READ_AHEAD); announced++) dataset.prefetch?.(order(announced));
      const own = sampleDigest(epoch, index);
      digest = addDigests(digest, own);
      await fillOne({ seed, epoch, index }, placeOf(views, count));
      const found = image as 'unread' | 'read' | BrokenImage;
      // Its bytes count, whether they are used or not.
      if (found === 'unread') await watched.read(index);
      contents = addDigests(contents, readingDigest(own, content));
      if (isCompared) readings.push(index, content);
      if (typeof found === 'object') {
        skipped.push({
          index,
          name: dataset.name(index),
          reason: found.broken,
        });
        continue;
      }
      count++;
    }
    if (isCompared) readings.push(...(await check(asked)));
    return { count, skipped, digest, content: contents, readings: Float64Array.from(readings) };
  };
}
