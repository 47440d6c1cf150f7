/** An object that is listed but not read. */
export interface StoredObject {
  /** Name below the storage's location, with `/` between folders. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/** Size and SHA-256 (lower-case hexadecimal) of a written object. */
export interface ObjectDigest {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** An object open for reading: all reads see the same bytes, or fail. */
export interface StoredFile {
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  /**
   * Fills `target` from byte `at` on.
   * @returns the number of bytes read: fewer than requested only at the end of the object
   */
  read(target: Uint8Array, at: number, signal?: AbortSignal): Promise<number>;
  /** Returns the time of the last change of its bytes, as the file system records it; an object's never change while it is open. */
  changedMs(): Promise<number>;
  close(): Promise<void>;
}

/** Options of opening an object. */
export interface OpenOptions {
  /** True to follow a symbolic link in a folder to its file. Default true. */
  readonly followsLinks?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Options of writing an object. */
export interface WriteObjectOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called when all bytes are sent, just before the object appears; lets tests stop it there. */
  readonly beforePublish?: (() => void | Promise<void>) | undefined;
}

/** A readable location: a folder, an S3 prefix, or a web server's files below an address. */
export interface Source {
  /** An absolute path, or a URL. */
  readonly location: string;
  /**
   * Reads bytes `begin..end` of an object.
   * @throws MaestroError `not-found` when there is no such object, `storage` when it ends earlier or cannot be read
   */
  readRange(name: string, range: { readonly begin: number; readonly end: number }, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * Reads a whole object of at most `limitBytes`.
   * @throws MaestroError as {@link Source.readRange}; `too-large`
   */
  readWhole(name: string, options: { readonly limitBytes: number; readonly signal?: AbortSignal | undefined }): Promise<Uint8Array>;
  /** @throws MaestroError `not-found`, `storage` */
  sizeOf(name: string, signal?: AbortSignal): Promise<number>;
}

/** A location that stores whole objects. Errors are MaestroErrors `not-found`, or `storage` with advice. */
export interface Storage extends Source {
  /** Lists the objects below `prefix` (a folder's name or empty), including nested folders, in name order; none when nothing exists. */
  list(prefix?: string, signal?: AbortSignal): Promise<StoredObject[]>;
  open(name: string, options?: OpenOptions): Promise<StoredFile>;
  /**
   * Writes an object atomically: readers see the whole of it or the previous one. Resolves when it is durable. The parts must not change
   * until then.
   */
  write(name: string, parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, options?: WriteObjectOptions): Promise<ObjectDigest>;
  /** Removes an object. Idempotent: a missing one is not an error. */
  remove(name: string): Promise<void>;
}
