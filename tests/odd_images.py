"""Image files with odd metadata, for the tests of decoding and of what decodes."""

import io
import struct

import numpy as np
from PIL import Image

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(image: bytes, *tags: tuple[int, int, int, bytes]) -> bytes:
    """A little-endian TIFF with tags added or replaced: (tag, type, count, value or its place)."""
    (at,) = struct.unpack("<I", image[4:8])
    (number,) = struct.unpack("<H", image[at : at + 2])
    entries = {image[place : place + 2]: image[place : place + 12] for place in range(at + 2, at + 2 + 12 * number, 12)}
    entries |= {
        struct.pack("<H", tag): struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in tags
    }
    body = sorted(entries.values(), key=lambda entry: struct.unpack("<H", entry[:2]))
    image += bytes(len(image) % 2)
    directory = struct.pack("<H", len(body)) + b"".join(body) + bytes(4)
    return image[:4] + struct.pack("<I", len(image)) + image[8:] + directory


# Tags that say nothing about the pixels, and are garbage.
IN_TIFF = {
    "exif-nowhere": (34665, 4, 1, b"\xff\xff\0\0"),
    "exif-garbage": (34665, 4, 1, b"\x09\0\0\0"),
    "exif-as-text": (34665, 2, 4, b"abc\0"),
    "gps": (34853, 4, 1, b"\x09\0\0\0"),
    "orientation-as-text": (274, 2, 4, b"abc\0"),
    "orientation-of-nine": (274, 3, 1, b"\x09\0\0\0"),
    "profile": (34675, 7, 4, b"abcd"),
    "profile-nowhere": (34675, 7, 400, b"\xff\xff\xff\0"),
    "xmp": (700, 1, 4, b"\xff\xff\xff\xff"),
    "xmp-as-text": (700, 2, 4, b"abc\0"),
    "resolution-nowhere": (282, 5, 1, b"\0\xff\xff\0"),
    "date-nowhere": (306, 2, 20, b"\0\xff\xff\0"),
    "unknown": (65000, 99, 20, b"\0\xff\xff\0"),
}
