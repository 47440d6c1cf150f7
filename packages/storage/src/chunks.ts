/** Yields the same bytes in views of at most `mostBytes`, without a copy. */
export async function* chunked(parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, mostBytes: number): AsyncGenerator<Uint8Array> {
  for await (const part of parts) {
    for (let at = 0; at < part.length; at += mostBytes) yield part.subarray(at, at + mostBytes);
  }
}

/** Yields the same bytes in pieces of exactly `pieceBytes`, the last one shorter, each copied into its own memory; none for no bytes. */
export async function* pieces(parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, pieceBytes: number): AsyncGenerator<Uint8Array> {
  let piece = new Uint8Array(pieceBytes);
  let filled = 0;
  for await (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const taken = part.subarray(at, at + pieceBytes - filled);
      piece.set(taken, filled);
      filled += taken.length;
      at += taken.length;
      if (filled < pieceBytes) continue;
      yield piece;
      piece = new Uint8Array(pieceBytes);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
