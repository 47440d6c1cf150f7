export { openHttpSource } from './httpSource.ts';
export { isHttp, isS3, isUrl, joinLocation, lastName, parentOf, resolveLocation } from './location.ts';
export { openSource, openStorage, openStored, readStored } from './openStorage.ts';
export { readAhead } from './readAhead.ts';
export { abandonUploads } from './s3Upload.ts';
export type { ObjectDigest, OpenOptions, Source, Storage, StoredFile, StoredObject, WriteObjectOptions } from './storage.ts';
export { isPassing, storageError } from './storageError.ts';
export { TAR_BLOCK, tarHeader, tarPadding } from './tarHeader.ts';
