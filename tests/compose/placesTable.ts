import { MaestroError } from '@maestro/protocol';

const TITLE = "the demo's job";

/** A place where the demo's job was trained, and the hash that it ended with there. */
export interface Place {
  readonly where: string;
  readonly workers: number;
  readonly hash: string;
}

/** The places side by side. */
export function placesTable(places: readonly Place[], steps: number): string[] {
  const width = Math.max(TITLE.length, ...places.map(({ where }) => where.length));
  return [
    `${TITLE.padEnd(width)}  workers  steps  hash of the weights`,
    ...places.map(({ where, workers, hash }) => `${where.padEnd(width)}  ${`${workers}`.padStart(7)}  ${`${steps}`.padStart(5)}  ${hash}`),
  ];
}

/** The hash that all places share. @throws MaestroError `conflict` when they do not. */
export function sharedHash(places: readonly Place[]): string {
  const hashes = new Set(places.map(({ hash }) => hash));
  const [hash] = hashes;
  if (hashes.size !== 1 || !/^[0-9a-f]{64}$/.test(hash!)) throw new MaestroError('conflict', 'the hashes differ; see the table');
  return hash!;
}
