import { readFileSync } from 'node:fs';

interface FixtureEntry {
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Opens a safetensors file of float32 tensors beside this test's source, and returns the look-up of a tensor's values by name. */
export function readFixture(name: string): (tensor: string) => Float32Array {
  const file = readFileSync(fixtureUrl(name));
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header: Readonly<Record<string, FixtureEntry>> = JSON.parse(file.toString('utf8', 8, 8 + headerBytes));
  return (tensor) => {
    const entry = header[tensor];
    if (entry === undefined) throw new Error(`fixture ${name} has no tensor '${tensor}'`);
    const [start, end] = entry.data_offsets.map((offset) => 8 + headerBytes + offset);
    return new Float32Array(new Uint8Array(file.subarray(start, end)).buffer);
  };
}

/** Where a fixture lies: beside the source, as compiled tests run from dist. */
export function fixtureUrl(name: string): URL {
  return new URL(`../../conformance/fixtures/${name}`, import.meta.url);
}
