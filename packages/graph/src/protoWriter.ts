/**
 * The part of protobuf's wire format that ONNX needs (protobuf.dev/programming-guides/encoding), written as a list of chunks:
 * small fields are packed into shared pages, large byte fields are referred to and copied only when the file is put together.
 */
export class ProtoWriter {
  readonly #chunks: Uint8Array[] = [];
  #page = new Uint8Array(PAGE_BYTES);
  #start = 0;
  #at = 0;
  #flushedBytes = 0;

  /** Bytes written so far. */
  get sizeBytes(): number {
    return this.#flushedBytes + this.#at - this.#start;
  }

  /** What was written, in order; large fields are views of the arrays that were given. */
  chunks(): readonly Uint8Array[] {
    this.#flush();
    return this.#chunks;
  }

  /** An int64, int32 or enum field; negative values take ten bytes, as protobuf has it. */
  int(field: number, value: number | bigint): this {
    this.#varint(field * 8);
    this.#varint(value);
    return this;
  }

  /** A float field. */
  float(field: number, value: number): this {
    this.#varint(field * 8 + 5);
    this.#reserve(4);
    new DataView(this.#page.buffer).setFloat32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  /** A string field. */
  string(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value));
  }

  /** A bytes field; above {@link COPY_BYTES} the view is kept instead of its content copied. */
  bytes(field: number, value: Uint8Array): this {
    this.#varint(field * 8 + 2);
    this.#varint(value.length);
    this.#append(value);
    return this;
  }

  /** An embedded message, written by `body`. */
  message(field: number, body: (writer: ProtoWriter) => void): this {
    const inner = new ProtoWriter();
    body(inner);
    this.#varint(field * 8 + 2);
    this.#varint(inner.sizeBytes);
    for (const chunk of inner.chunks()) this.#append(chunk);
    return this;
  }

  #append(value: Uint8Array): void {
    if (value.length > COPY_BYTES) {
      this.#flush();
      this.#chunks.push(value);
      this.#flushedBytes += value.length;
      return;
    }
    this.#reserve(value.length);
    this.#page.set(value, this.#at);
    this.#at += value.length;
  }

  #varint(value: number | bigint): void {
    this.#reserve(10);
    if (typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER) {
      let rest = value;
      while (rest > 127) {
        this.#page[this.#at++] = (rest % 128) | 128;
        rest = Math.floor(rest / 128);
      }
      this.#page[this.#at++] = rest;
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.#page[this.#at++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#page[this.#at++] = Number(rest);
  }

  #reserve(sizeBytes: number): void {
    if (this.#at + sizeBytes <= this.#page.length) return;
    this.#flush();
    this.#page = new Uint8Array(Math.max(PAGE_BYTES, sizeBytes));
    this.#start = 0;
    this.#at = 0;
  }

  #flush(): void {
    if (this.#at === this.#start) return;
    this.#chunks.push(this.#page.subarray(this.#start, this.#at));
    this.#flushedBytes += this.#at - this.#start;
    this.#start = this.#at;
  }
}

const PAGE_BYTES = 512;
const COPY_BYTES = 1024;
const encoder = new TextEncoder();
