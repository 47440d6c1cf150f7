/**
 * Converts colour to grey by the luma of ITU-R BT.601 on the stored (gamma-encoded) values, in integers like Pillow's `convert('L')`.
 *
 * @param pixels [count, 3] @returns [count]
 */
export function toLuma(pixels: Uint8Array): Uint8Array {
  const luma = new Uint8Array(pixels.length / 3);
  for (let i = 0, at = 0; i < luma.length; i++, at += 3) {
    luma[i] = (19595 * pixels[at]! + 38470 * pixels[at + 1]! + 7471 * pixels[at + 2]! + 0x8000) >> 16;
  }
  return luma;
}

/** Expands grey to three equal channels: [count] to [count, 3]. */
export function toThreeChannels(grey: Uint8Array): Uint8Array {
  const pixels = new Uint8Array(3 * grey.length);
  for (let i = 0, at = 0; i < grey.length; i++, at += 3) pixels.fill(grey[i]!, at, at + 3);
  return pixels;
}

/**
 * Converts CMYK to RGB without a colour profile, like Pillow's `convert('RGB')`.
 *
 * @param pixels [count, 4], 255 is full ink. @returns [count, 3]
 */
export function cmykToRgb(pixels: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((pixels.length / 4) * 3);
  for (let i = 0, at = 0; at < rgb.length; i += 4, at += 3) {
    const light = 255 - pixels[i + 3]!;
    for (let c = 0; c < 3; c++) {
      // light * ink / 255, rounded.
      const product = pixels[i + c]! * light + 128;
      rgb[at + c] = light - (((product >> 8) + product) >> 8);
    }
  }
  return rgb;
}
