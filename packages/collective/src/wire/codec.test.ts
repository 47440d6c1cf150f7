import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import { expect, test } from '@jest/globals';
import { isMaestroError } from '@maestro/protocol';
import fc from 'fast-check';
import { CHUNK_KINDS, type ChunkFrame, type ChunkHeader, type ChunkKind, chunkOverhead, decodeChunk, encodeChunk } from './codec.ts';

const proto = loadSync(fileURLToPath(new URL('../../../../proto/maestro/v1/collective.proto', import.meta.url)), { keepCase: true });
const service = proto['maestro.v1.Collective'] as unknown as {
  Pull: {
    responseSerialize: (message: unknown) => Buffer;
    responseDeserialize: (bytes: Buffer) => Record<string, unknown>;
  };
};
const protobuf = service.Pull;

/** The bytes as they lie in a gRPC frame, after the 5 bytes before them. */
function framed(frame: ChunkFrame): Buffer {
  const buffer = Buffer.alloc(frame.length + 5);
  frame.copy(buffer, 5);
  return buffer;
}

const headers: fc.Arbitrary<ChunkHeader> = fc.record({
  generation: fc.maxSafeNat(),
  step: fc.maxSafeNat(),
  kind: fc.constantFrom(...(Object.keys(CHUNK_KINDS) as ChunkKind[])),
  slot: fc.nat(),
  first: fc.nat({ max: 20 }),
  values: fc.float64Array({ maxLength: 9 }),
  checksum: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});
const payloads = fc.float32Array({ maxLength: 700 });
const bytesOf = (array: Float32Array | Float64Array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

test('a chunk comes back as it was sent, its payload on a multiple of 8 bytes in the frame', () => {
  fc.assert(
    fc.property(headers, payloads, (header, elements) => {
      const frame = encodeChunk(header, bytesOf(elements));
      const buffer = framed(frame);
      const { payload, values, ...rest } = decodeChunk(buffer.subarray(5));
      expect(rest).toEqual({ ...header, values: undefined });
      expect(bytesOf(values).equals(bytesOf(header.values))).toBe(true);
      expect(bytesOf(elements).equals(payload)).toBe(true);
      expect(frame.length - payload.length).toBeLessThanOrEqual(chunkOverhead(values.length));
      if (payload.length > 0) expect((payload.byteOffset - buffer.byteOffset) % 8).toBe(0);
    }),
  );
});

test('a protobuf library reads what the codec writes', () => {
  fc.assert(
    fc.property(headers, payloads, (header, elements) => {
      const decoded = protobuf.responseDeserialize(framed(encodeChunk(header, bytesOf(elements))).subarray(5));
      expect(Number(decoded.generation ?? 0)).toBe(header.generation);
      expect(Number(decoded.step ?? 0)).toBe(header.step);
      expect(decoded.kind).toBe(CHUNK_KINDS[header.kind]);
      expect(decoded.slot ?? 0).toBe(header.slot);
      expect(Number(decoded.first ?? 0)).toBe(header.first);
      expect([...((decoded.values as number[]) ?? [])]).toEqual([...header.values]);
      expect(BigInt(String(decoded.checksum))).toBe(header.checksum);
      expect(Buffer.from((decoded.payload as Uint8Array) ?? []).equals(bytesOf(elements))).toBe(true);
    }),
  );
});

test('the codec reads what a protobuf library writes', () => {
  fc.assert(
    fc.property(headers, payloads, (header, elements) => {
      const message = {
        ...header,
        kind: CHUNK_KINDS[header.kind],
        values: [...header.values],
        payload: bytesOf(elements),
        checksum: header.checksum!.toString(),
      };
      const { payload, values, ...rest } = decodeChunk(protobuf.responseSerialize(message));
      expect(rest).toEqual({ ...header, values: undefined });
      expect([...values]).toEqual([...header.values]);
      expect(bytesOf(elements).equals(payload)).toBe(true);
    }),
  );
});

test('any bytes either decode or are refused as a protocol violation', () => {
  const outcome = (bytes: Uint8Array) => {
    try {
      return decodeChunk(bytes).payload.length <= bytes.length;
    } catch (error) {
      return isMaestroError(error, 'protocol-violation');
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), outcome), {
    numRuns: 2000,
  });
  const whole = framed(encodeChunk(header('partial'), bytesOf(Float32Array.of(1, 2, 3)))).subarray(5);
  for (let end = 0; end < whole.length; end++) expect(outcome(whole.subarray(0, end))).toBe(true);
});

function header(kind: ChunkKind): ChunkHeader {
  return {
    generation: 2,
    step: 17,
    kind,
    slot: 1,
    first: 3,
    values: new Float64Array(0),
  };
}

test.each([
  ['a message cut inside its payload', [0x18, 2, 0x42, 8, 1, 2, 3, 4], 'a field of 8 bytes at byte 4 does not fit in a message of 8'],
  ['a message cut inside a number', [0x08, 0x80], 'the message ends inside a number, at byte 2'],
  ['a known field of another wire type', [0x0a, 1, 0], 'field 1 has wire type 2, expected 0'],
  ['a payload of part elements', [0x18, 2, 0x42, 3, 1, 2, 3], 'a payload of 3 bytes is not a whole number of float32'],
  ['an unknown kind', [0x18, 9], 'kind 9 is not one of 1, 2, 3'],
  ['no kind at all', [], 'kind 0 is not one of 1, 2, 3'],
  ['a group', [0x18, 2, 0x7b], 'wire type 3 at byte 3 is not one of 0, 1, 2, 5'],
  ['a number beyond 2^53', [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 'is beyond 2^53'],
  ['a length beyond any message', [0x18, 2, 0x42, 0xff, 0xff, 0xff, 0xff, 0x7f], 'does not fit in a message of 8'],
  ['part of a float64', [0x18, 1, 0x32, 4, 0, 0, 0, 0], 'values of 4 bytes are not a whole number of float64'],
])('%s is refused', (_, bytes, message) => {
  expect(() => decodeChunk(Uint8Array.from(bytes))).toThrow(message);
});
