/** An object that is listed, not read. */
export interface StoredObject {
  /** Below the storage's location, with `/` between folders. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/** Size and SHA-256 (lower-case hexadecimal) of what was written. */
export interface ObjectDigest {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** An object that is open for reading: all reads are of the same bytes, or fail. */
export interface StoredFile {
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  /**
   * Fills `target` from byte `at` on.
   * @returns how many bytes were there: fewer than asked only when the object ends
   */
  read(target: Uint8Array, at: number, signal?: AbortSignal): Promise<number>;
  /** When its bytes were changed last, as the file system notes it by itself; an object's never change while it is open. */
  changedMs(): Promise<number>;
  close(): Promise<void>;
}

/** How an object is opened. */
export interface OpenOptions {
  /** Whether a symbolic link in a folder is followed to its file. Default true. */
  readonly followsLinks?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** How an object is written. */
export interface WriteObjectOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called when all bytes are handed over, just before the object appears; for tests that stop it there. */
  readonly beforePublish?: (() => void | Promise<void>) | undefined;
}

/** A place that objects can be read from: a folder, an S3 prefix, or what a web server serves below an address. */
export interface Source {
  /** An absolute path, or a URL. */
  readonly location: string;
  /**
   * Bytes `begin..end` of an object.
   * @throws MaestroError `not-found` when there is no such object, `storage` when it ends earlier or cannot be read
   */
  readRange(name: string, range: { readonly begin: number; readonly end: number }, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * All bytes of an object of at most `limitBytes`.
   * @throws MaestroError as {@link Source.readRange}; `too-large`
   */
  readWhole(name: string, options: { readonly limitBytes: number; readonly signal?: AbortSignal | undefined }): Promise<Uint8Array>;
  /** @throws MaestroError `not-found`, `storage` */
  sizeOf(name: string, signal?: AbortSignal): Promise<number>;
}

/** A place where whole objects are kept. Errors are MaestroErrors `not-found`, or `storage` with what to do. */
export interface Storage extends Source {
  /** Objects below `prefix`, a folder's name or nothing, folders within folders included, in name order; none where there is nothing. */
  list(prefix?: string, signal?: AbortSignal): Promise<StoredObject[]>;
  open(name: string, options?: OpenOptions): Promise<StoredFile>;
  /**
   * Writes an object so that readers see the whole of it or what was there before, and returns when it is durable. The parts must not
   * change until then.
   */
  write(name: string, parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, options?: WriteObjectOptions): Promise<ObjectDigest>;
  /** Removes an object; one that is not there is no error. */
  remove(name: string): Promise<void>;
}
