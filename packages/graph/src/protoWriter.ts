/** Larger byte fields are referenced instead of copied. */
const COPY_BYTES = 4096;

const encoder = new TextEncoder();

/** A large field: its bytes belong between the writer's own bytes before and after `at`. */
interface Reference {
  at: number;
  readonly bytes: Uint8Array;
}

/**
 * Writer for the part of protobuf's wire format that ONNX needs (protobuf.dev/programming-guides/encoding). Small fields are written into
 * one growing buffer; large byte fields stay in place until the file is assembled.
 */
export class ProtoWriter {
  #buffer = new Uint8Array(65536);
  #view = new DataView(this.#buffer.buffer);
  #at = 0;
  readonly #references: Reference[] = [];
  #referredBytes = 0;

  /** Returns what was written, in order; large fields are views of the given arrays. */
  chunks(): readonly Uint8Array[] {
    const chunks: Uint8Array[] = [];
    let from = 0;
    for (const { at, bytes } of this.#references) {
      chunks.push(this.#buffer.subarray(from, at), bytes);
      from = at;
    }
    chunks.push(this.#buffer.subarray(from, this.#at));
    return chunks;
  }

  /** Writes an int64, int32 or enum field; negative values take ten bytes, as protobuf requires. */
  int(field: number, value: number): this {
    this.#varint(field * 8);
    this.#varint(value);
    return this;
  }

  /** Writes a float field. */
  float(field: number, value: number): this {
    this.#varint(field * 8 + 5);
    this.#reserve(4);
    this.#view.setFloat32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  /** Writes a string field. */
  string(field: number, value: string): this {
    return this.#delimited(field, () => {
      // UTF-8 takes at most three bytes for each UTF-16 unit.
      this.#reserve(3 * value.length);
      this.#at += encoder.encodeInto(value, this.#buffer.subarray(this.#at)).written;
    });
  }

  /** Writes a bytes field; when it is large, the view is kept and must not change until the chunks are written. */
  bytes(field: number, value: Uint8Array): this {
    return this.#delimited(field, () => {
      if (value.length > COPY_BYTES) {
        this.#references.push({ at: this.#at, bytes: value });
        this.#referredBytes += value.length;
      } else {
        this.#reserve(value.length);
        this.#buffer.set(value, this.#at);
        this.#at += value.length;
      }
    });
  }

  /** Writes an embedded message, whose fields `body` writes with this writer. */
  message(field: number, body: (writer: this) => void): this {
    return this.#delimited(field, () => body(this));
  }

  /** Writes a length-delimited field: the content first, then moved up to make room for the length. */
  #delimited(field: number, content: () => void): this {
    this.#varint(field * 8 + 2);
    const start = this.#at;
    const referredBefore = this.#referredBytes;
    const firstReference = this.#references.length;
    content();
    const end = this.#at;
    const length = end - start + this.#referredBytes - referredBefore;
    const prefix = varintBytes(length);
    this.#reserve(prefix);
    this.#buffer.copyWithin(start + prefix, start, end);
    for (const reference of this.#references.slice(firstReference)) reference.at += prefix;
    this.#at = start;
    this.#varint(length);
    this.#at = end + prefix;
    return this;
  }

  #varint(value: number): void {
    this.#reserve(10);
    if (value < 0) {
      let rest = BigInt.asUintN(64, BigInt(value));
      while (rest > 127n) {
        this.#buffer[this.#at++] = Number(rest & 127n) | 128;
        rest >>= 7n;
      }
      this.#buffer[this.#at++] = Number(rest);
      return;
    }
    let rest = value;
    while (rest > 127) {
      this.#buffer[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#at++] = rest;
  }

  #reserve(sizeBytes: number): void {
    if (this.#at + sizeBytes <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#buffer.length, this.#at + sizeBytes));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** Returns the bytes of protobuf's varint for a non-negative integer. */
function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) count++;
  return count;
}
