"""Writes image files and what Pillow makes of them: `python tests/conformance/make_image_fixtures.py` (needs pillow 12.0 and numpy).

fixtures/images/ has one small file of each kind, fixtures/refused-images/ those that have no agreed range. fixtures/images.json tells of
each of the first, as RGB and as grey (`convert('L')`), the SHA-256 of what Pillow decodes, of what `resize` makes of it when its shorter
side becomes 9 pixels, and of `crop(box).resize((size, size), BICUBIC)` over all boxes and sizes, one after the other.
packages/data/src/images/squareReader.test.ts compares that with ours. 16-bit grey is the exception: Pillow 12 clips it to 255 in `convert`,
so the upper bytes are taken here, as Pillow does with 16-bit colour. Of AVIF the pixels themselves are told, since decoders differ by a
level; its colours are stored in full, since they differ by more in how they spread others."""
import hashlib
import io
import json
import os
import struct
import zlib

import numpy
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
# Width, height: wider than high, so that a wrong orientation shows.
W, H = 37, 23
# Left, top, width, height: enlarged, shrunk, one pixel wide, one pixel high, one pixel.
BOXES = [[3, 2, 12, 10], [0, 0, W, H], [5, 0, 1, H], [0, 11, W, 1], [W - 1, H - 1, 1, 1]]
SHORTER_SIDE = 9
SIZES = [32, 5]


def noise(height, width, channels, seed, top=256):
    return numpy.random.default_rng(seed).integers(0, top, (height, width, channels), dtype=numpy.uint16)


def photo(height, width, channels, seed):
    """Smooth, with edges and a little noise: what lossy formats are for."""
    y, x, c = numpy.mgrid[0:height, 0:width, 0:channels]
    values = 110 + 80 * numpy.sin(x / 5 + c) + 50 * numpy.cos(y / 4 - c) + 40 * ((x + 2 * y) % 17 > 8)
    return numpy.clip(values + noise(height, width, channels, seed, 9), 0, 255).astype(numpy.uint8)


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def png(width, height, depth, kind, rows, extra=b""):
    """A PNG of rows that are packed already, of kinds that Pillow does not write."""
    chunk = lambda name, body: struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    raw = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def deep_png(values, kind):
    return png(values.shape[1], values.shape[0], 16, kind, [row.astype(">u2").tobytes() for row in values])


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def tiff(values, sample_format, photometric=1):
    """A plain TIFF of one strip, little-endian, of the values' own type: sample format 1 is unsigned, 2 signed, 3 floating point."""
    height, width = values.shape[:2]
    samples = 1 if values.ndim == 2 else values.shape[2]
    bits = values.dtype.itemsize * 8
    data = numpy.ascontiguousarray(values).tobytes()
    entries = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, photometric)]
    entries += [(273, 4, 1, 8), (277, 3, 1, samples), (278, 3, 1, height), (279, 4, 1, len(data)), (339, 3, 1, sample_format)]
    assert samples == 1
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + body


def files():
    colour = Image.fromarray(noise(H, W, 3, 1).astype(numpy.uint8))
    grey = Image.fromarray(noise(H, W, 1, 2)[:, :, 0].astype(numpy.uint8))
    alpha = noise(H, W, 4, 3).astype(numpy.uint8)
    alpha[:, :, 3] = numpy.where(noise(H, W, 1, 4)[:, :, 0] % 3 == 0, 0, alpha[:, :, 3])
    grey_alpha = Image.fromarray(alpha[:, :, [0, 3]], "LA")
    alpha = Image.fromarray(alpha, "RGBA")
    palette = colour.quantize(31)
    smooth = Image.fromarray(photo(H, W, 3, 5))
    files = {
        "colour.png": saved(colour, "PNG"),
        "grey.png": saved(grey, "PNG"),
        "alpha.png": saved(alpha, "PNG"),
        "grey-alpha.png": saved(grey_alpha, "PNG"),
        "palette.png": saved(palette, "PNG"),
        "palette-hidden.png": saved(palette, "PNG", transparency=3),
        "hidden-colour.png": saved(colour, "PNG", transparency=colour.getpixel((4, 4))),
        "bits-1.png": saved(grey.point(lambda v: 255 * (v > 127)).convert("1"), "PNG"),
        "bits-4.png": png(W, H, 4, 0, [bytes(noise(1, (W + 1) // 2, 1, y)[0, :, 0].astype(numpy.uint8)) for y in range(H)]),
        "deep-colour.png": deep_png(noise(H, W, 3, 6, 65536), 2),
        "deep-alpha.png": deep_png(noise(H, W, 4, 7, 65536), 6),
        "deep-grey.png": deep_png(noise(H, W, 1, 8, 65536), 0),
        "twelve-bits.png": deep_png(noise(H, W, 1, 9, 4096), 0),
        "deep-black.png": deep_png(noise(H, W, 1, 9, 1), 0),
        "pixel.png": saved(colour.crop((0, 0, 1, 1)), "PNG"),
        "line.png": saved(Image.fromarray(noise(1, 900, 3, 10).astype(numpy.uint8)), "PNG"),
        "colour.tiff": saved(colour, "TIFF", compression="tiff_lzw"),
        "grey.tiff": saved(grey, "TIFF"),
        "alpha.tiff": saved(alpha, "TIFF", compression="tiff_adobe_deflate"),
        "cmyk.tiff": saved(Image.fromarray(noise(H, W, 4, 11).astype(numpy.uint8), "CMYK"), "TIFF"),
        "deep-grey.tiff": tiff(noise(H, W, 1, 12, 65536)[:, :, 0], 1),
        "float.tiff": tiff((noise(H, W, 1, 13, 1000)[:, :, 0] / 7).astype(numpy.float32), 3),
        "double.tiff": tiff(noise(H, W, 1, 13, 1000)[:, :, 0] / 7, 3),
        "uint32.tiff": tiff(noise(H, W, 1, 14, 60000)[:, :, 0].astype(numpy.uint32) * 70000, 1),
        "int16.tiff": tiff(noise(H, W, 1, 15, 30000)[:, :, 0].astype(numpy.int16), 2),
        "colour.gif": saved(palette, "GIF"),
        "colour.webp": saved(colour, "WEBP", lossless=True),
        "alpha.webp": saved(alpha, "WEBP", lossless=True, exact=True),
        "lossy.webp": saved(smooth, "WEBP", quality=80),
        "lossy.avif": saved(smooth, "AVIF", quality=80, subsampling="4:4:4"),
        "colour.jpg": saved(smooth, "JPEG", quality=85),
        "fine.jpg": saved(smooth, "JPEG", quality=95, subsampling=0),
        "progressive.jpg": saved(smooth, "JPEG", quality=80, progressive=True, subsampling=1),
        "grey.jpg": saved(smooth.convert("L"), "JPEG", quality=85),
        "cmyk.jpg": saved(smooth.convert("CMYK"), "JPEG", quality=85),
    }
    for orientation in range(1, 9):
        files[f"turned-{orientation}.jpg"] = saved(smooth, "JPEG", quality=90, exif=exif(orientation))
    files["turned-6.png"] = saved(colour, "PNG", exif=exif(6))
    return files


def upright(data):
    """The image as RGB, and as L."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode.startswith("I;16"):
        image = Image.fromarray((numpy.asarray(image) >> 8).astype(numpy.uint8))
    return image.convert("RGB"), image.convert("L")


def sha256(*images):
    return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()


REFUSED = {"float.tiff", "double.tiff", "uint32.tiff", "int16.tiff", "twelve-bits.png"}
LOSSY = {"lossy.avif"}


def expected(name, data):
    modes = {}
    for mode, image in zip(["rgb", "grey"], upright(data)):
        if name in LOSSY:
            modes[mode] = {"pixels": image.tobytes().hex()}
            continue
        width, height = image.size
        boxes = BOXES if image.size == (W, H) else [[0, 0, width, height]]
        cuts = [image.crop((x, y, x + w, y + h)).resize((size, size), Image.BICUBIC) for x, y, w, h in boxes for size in SIZES]
        scale = min(1, SHORTER_SIDE / min(image.size))
        reduced = image.resize([int(side * scale + 0.5) for side in image.size], Image.BICUBIC)
        modes[mode] = {"decoded": sha256(image), "reduced": sha256(reduced), "squares": sha256(*cuts)}
    return {"size": image.size, "boxes": None if name in LOSSY else boxes, **modes}


table = {}
for name, data in files().items():
    folder = os.path.join(HERE, "fixtures", "refused-images" if name in REFUSED else "images")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as out:
        out.write(data)
    if name not in REFUSED:
        table[name] = expected(name, data)
with open(os.path.join(HERE, "fixtures", "images.json"), "w") as out:
    json.dump({"sizes": SIZES, "shorterSide": SHORTER_SIDE, "images": table}, out, indent=1, sort_keys=True)
    out.write("\n")
