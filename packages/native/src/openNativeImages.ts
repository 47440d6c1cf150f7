import { findNative } from './buildNative.ts';
import { wrongImages } from './imageVectors.ts';
import { loadNativeImages, type NativeImages } from './nativeImages.ts';

/**
 * Opens what the library that set-up built has for images, for the calling thread; undefined where there is no library, or where it fails
 * its test vectors: then sharp and WebAssembly do the same.
 */
export function openNativeImages(): NativeImages | undefined {
  opened ??= { images: openSound() };
  return opened.images;
}

let opened: { readonly images: NativeImages | undefined } | undefined;

function openSound(): NativeImages | undefined {
  const { path } = findNative();
  const images = path === undefined ? undefined : loadNativeImages(path);
  return images === undefined || wrongImages(images).length > 0 ? undefined : images;
}
