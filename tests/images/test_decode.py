"""Every kind of image file becomes upright RGB bytes, or an InputError that names it."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from ladder.core.errors import InputError
from ladder.images import decode
from odd_images import IN_TIFF, NOISE, encoded, tiff

# pytest sets aside the filter that `decode` brings; tests/test_predict.py sees that it works.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


def one_pixel(mode: str, value) -> Image.Image:
    image = Image.new(mode, (1, 1))
    image.putpixel((0, 0), value)
    return image


def gray16(value: int) -> Image.Image:
    return Image.fromarray(np.array([[value]], np.uint16))


def tiff12(value: int) -> bytes:
    """One gray pixel of 12 bits, which Pillow cannot write."""
    packed = int.from_bytes(struct.pack(">H", value << 4), "little")
    return tiff(encoded(gray16(packed), "TIFF"), (258, 3, 1, struct.pack("<I", 12)))


def palette(**options) -> bytes:
    image = Image.new("P", (1, 1))
    image.putpalette([255, 0, 0])
    return encoded(image, **options)


@pytest.mark.parametrize(
    ("content", "rgb"),
    [
        pytest.param(encoded(one_pixel("RGB", (1, 2, 3))), (1, 2, 3), id="rgb"),
        pytest.param(encoded(one_pixel("L", 100)), (100, 100, 100), id="gray"),
        pytest.param(encoded(one_pixel("1", 1)), (255, 255, 255), id="black-and-white"),
        pytest.param(palette(), (255, 0, 0), id="palette"),
        pytest.param(palette(transparency=0), (255, 255, 255), id="palette-transparent"),
        pytest.param(encoded(one_pixel("RGBA", (9, 9, 9, 0))), (255, 255, 255), id="rgba-transparent"),
        pytest.param(encoded(one_pixel("RGBA", (0, 0, 0, 127))), (128, 128, 128), id="rgba-half"),
        pytest.param(encoded(one_pixel("LA", (0, 0))), (255, 255, 255), id="gray-transparent"),
        pytest.param(encoded(one_pixel("CMYK", (255, 0, 0, 0)), "TIFF"), (0, 255, 255), id="cmyk"),
        pytest.param(encoded(gray16(65535)), (255, 255, 255), id="16-bit-white"),
        pytest.param(encoded(gray16(100 * 257)), (100, 100, 100), id="16-bit-gray"),
        pytest.param(encoded(gray16(128)), (0, 0, 0), id="16-bit-rounds-down"),
        pytest.param(encoded(gray16(129), "TIFF"), (1, 1, 1), id="16-bit-rounds-up"),
        pytest.param(encoded(gray16(65535), "PPM"), (255, 255, 255), id="16-bit-in-32"),
        pytest.param(tiff12(0xFFF), (255, 255, 255), id="12-bit-white"),
        pytest.param(tiff12(1606), (100, 100, 100), id="12-bit-gray"),
    ],
)
def test_every_mode_becomes_rgb(content, rgb):
    pixels = decode.decode(content, 1, "x")
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == [[[level]] for level in rgb]


def test_exif_orientation_is_honoured():
    image = Image.fromarray(np.array([[10, 200], [10, 200]], np.uint8))  # dark left, light right
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter turn clockwise: what is left goes up
    for kind in ("PNG", "TIFF", "WEBP", "JPEG"):
        pixels = decode.decode(encoded(image.convert("RGB"), kind, exif=exif), 2, "x")[0]
        assert np.abs(pixels - np.array([[10, 10], [200, 200]])).max() < 12, kind  # JPEG is not exact


def test_other_sizes_are_squeezed_into_the_square():
    wide = Image.fromarray(np.repeat([[0, 255]], 16, axis=1).repeat(8, axis=0).astype(np.uint8))  # 32 x 8
    pixels = decode.decode(encoded(wide), 8, "x")
    assert pixels.shape == (3, 8, 8)
    assert (pixels[:, :, :3].max(), pixels[:, :, 5:].min()) == (0, 255)  # both ends are kept
    assert decode.decode(encoded(one_pixel("L", 7)), 4, "x").tolist() == np.full((3, 4, 4), 7).tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is an empty file", id="empty"),
        pytest.param(b"no image at all", "is damaged or in no image format", id="text"),
        pytest.param(encoded(NOISE)[:-600], "truncated", id="truncated-png"),
        pytest.param(encoded(NOISE, "JPEG")[:-100], "truncated", id="truncated-jpeg"),
        pytest.param(encoded(Image.new("F", (2, 2)), "TIFF"), "no agreed scale", id="floats"),
        pytest.param(encoded(one_pixel("I", 65536), "TIFF"), "no agreed scale", id="32-bit"),
    ],
)
def test_unreadable_images_are_named(content, message):
    with pytest.raises(InputError, match=f"^cat/1.png .*{message}"):
        decode.decode(content, 32, "cat/1.png")


@pytest.mark.parametrize("limit", [1000, 500])  # above it Pillow warns, above twice as much it raises
def test_decompression_bombs_are_refused(monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(decode, "MAX_PIXELS", limit)
    with pytest.raises(InputError, match=r"^cat/1.png is too large"):
        decode.decode(encoded(NOISE), 32, "cat/1.png")  # 1024 pixels


# --- metadata


UPRIGHT = Image.Exif()
UPRIGHT[0x0112] = 6
GARBAGE = {
    "random": b"Exif\0\0" + np.random.default_rng(1).bytes(60),
    "text": b"Exif\0\0hello world",
    "no-header": b"hello world",
    "cut": UPRIGHT.tobytes()[:14],
    "nothing": b"Exif\0\0",
    "points-nowhere": b"Exif\0\0II*\0\xff\xff\xff\xff",
    "points-to-itself": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0",
    "orientation-as-text": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x03\0\0\0abc\0\0\0\0\0",
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_exif_costs_no_image_its_place(kind, garbage):
    expected = decode.decode(encoded(NOISE, kind), 32, "x")
    np.testing.assert_array_equal(decode.decode(encoded(NOISE, kind, exif=garbage), 32, "x"), expected)


def chunk(kind: bytes, content: bytes, damage: int = 0) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content) ^ damage)


BOMB = zlib.compress(bytes(3_000_000))  # Pillow's limit for one text is 2^20 bytes
IN_PNG = {
    "text-bomb": chunk(b"zTXt", b"k\0\0" + BOMB),
    "international-text-bomb": chunk(b"iTXt", b"k\0\1\0\0\0" + BOMB),
    "profile-bomb": chunk(b"iCCP", b"k\0\0" + BOMB),
    "profile-method": chunk(b"iCCP", b"k\0\5xx"),
    "profile-empty": chunk(b"iCCP", b""),
    "texts-beyond-64-MiB": b"".join(chunk(b"tEXt", b"%d\0" % key + bytes(1_000_000)) for key in range(70)),
    "checksum": chunk(b"tEXt", b"k\0x", damage=1),
    "xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0\xff\xfe"),
    **{f"cut-{kind.decode()}": chunk(kind, b"") for kind in (b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"acTL", b"fcTL")},
}


@pytest.mark.parametrize("before_pixels", [True, False])
@pytest.mark.parametrize("damaged", IN_PNG.values(), ids=IN_PNG)
def test_damaged_metadata_of_a_png(damaged, before_pixels):
    """And its orientation stays known."""
    whole = encoded(NOISE, exif=UPRIGHT)
    at = whole.index(b"IDAT") - 4 if before_pixels else len(whole) - 12
    pixels = decode.decode(whole[:at] + damaged + whole[at:], 32, "x")
    np.testing.assert_array_equal(pixels, decode.decode(whole, 32, "x"))


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


ANY = np.random.default_rng(3).bytes(200)
IN_JPEG = {
    "xmp": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + ANY),
    "profile": segment(0xE2, b"ICC_PROFILE\0" + ANY),
    "profile-empty": segment(0xE2, b"ICC_PROFILE\0"),
    "second-image": segment(0xE2, b"MPF\0" + ANY),
    "photoshop": segment(0xED, b"Photoshop 3.0\08BIM" + ANY),
    "photoshop-cut": segment(0xED, b"Photoshop 3.0\08BIM\4\4\0\0\xff"),
    "comment": segment(0xFE, ANY),
    "empty": segment(0xE1, b""),
}


@pytest.mark.parametrize("damaged", IN_JPEG.values(), ids=IN_JPEG)
def test_damaged_metadata_of_a_jpeg(damaged):
    whole = encoded(NOISE, "JPEG", exif=UPRIGHT)
    pixels = decode.decode(whole[:2] + damaged + whole[2:], 32, "x")
    np.testing.assert_array_equal(pixels, decode.decode(whole, 32, "x"))


def test_damaged_metadata_of_a_webp():
    whole = encoded(NOISE, "WEBP", exif=UPRIGHT, lossless=True)
    damaged = encoded(NOISE, "WEBP", exif=UPRIGHT, lossless=True, icc_profile=b"profile", xmp=b"\xff\xfe")
    np.testing.assert_array_equal(decode.decode(damaged, 32, "x"), decode.decode(whole, 32, "x"))
    at = damaged.index(b"EXIF") + 4
    cut = damaged[:at] + b"\xff\xff\0\0" + damaged[at + 4 :]
    np.testing.assert_array_equal(
        decode.decode(cut, 32, "x"), decode.decode(encoded(NOISE, "WEBP", lossless=True), 32, "x")
    )


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("tag", IN_TIFF.values(), ids=IN_TIFF)
def test_damaged_metadata_of_a_tiff(tag, compression):
    whole = encoded(NOISE, "TIFF", compression=compression)
    np.testing.assert_array_equal(decode.decode(tiff(whole, tag), 32, "x"), decode.decode(whole, 32, "x"))


# --- other formats


def heic(image: Image.Image, **options) -> bytes:
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "write", [heic, lambda image, **options: encoded(image, "AVIF", **options)], ids=["heic", "avif"]
)
def test_photographs_of_telephones(write):
    half = Image.fromarray(np.array([[10, 200]], np.uint8).repeat(16, axis=1).repeat(32, axis=0))  # dark left
    for image, orientation, expected in ((half, 1, (10, 200)), (half, 3, (200, 10))):
        exif = Image.Exif()
        exif[0x0112] = orientation
        pixels = decode.decode(write(image.convert("RGB"), quality=95, exif=exif.tobytes()), 32, "x").astype(int)
        assert np.abs(pixels[:, :, :14] - expected[0]).max() < 8
        assert np.abs(pixels[:, :, 18:] - expected[1]).max() < 8


def test_a_transparent_heic_is_laid_on_white():
    pixels = decode.decode(heic(Image.new("RGBA", (32, 32), (0, 0, 0, 0)), quality=95), 32, "x")
    assert pixels.min() > 250


def test_heic_is_imported_only_where_it_is_needed():
    code = (
        "import sys; from ladder.images import decode\n"
        f"decode.decode({encoded(NOISE)!r}, 8, 'x')\n"
        "try: decode.decode(b'text', 8, 'x')\n"
        "except Exception as error: print(error)\n"
        "sys.exit('pillow_heif' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def boxed(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + bytes(12)


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"\xff\x0a" + ANY, "a.jxl", "a JPEG XL image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + ANY, "a.jxl", "a JPEG XL image"),
        (b"II*\0\x10\0\0\0CR\2\0" + ANY, "a.cr2", "a camera's RAW file"),
        (b"II*\0\x10\0\0\0" + ANY, "a.NEF", "a camera's RAW file"),
        (b"II*\0\x10\0\0\0" + ANY, "a.arw", "a camera's RAW file"),
        (b"MM\0*\0\0\0\x10" + ANY, "a.dng", "a camera's RAW file"),
        (boxed(b"crx "), "a.cr3", "a camera's RAW file"),
        (b"FUJIFILMCCD-RAW 0201" + ANY, "a.raf", "a camera's RAW file"),
        (b'<?xml version="1.0"?>\n<svg width="1"/>', "a.svg", "an SVG drawing"),
        (b"<svg width='1'/>", "a", "an SVG drawing"),
        (b"%PDF-1.7" + ANY, "a.pdf", "a PDF document"),
        (boxed(b"isom"), "a.mp4", "a video"),
        (boxed(b"qt  "), "a.mov", "a video"),
        (boxed(b"M4V "), "a.m4v", "a video"),
        (b"\x1a\x45\xdf\xa3" + ANY, "a.webm", "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a.avi", "a video"),
        (b"\0\0\x01\xba" + ANY, "a.mpg", "a video"),
        (b"\0\0\x01\xb3\x14\0\xf0" + ANY, "a.mpeg", "a video"),
        (b"PK\3\4" + bytes(26) + b"archive/data.pkl" + ANY, "a.pth", "a weights file of PyTorch"),
        (b"PK\3\4" + ANY, "a.zip", "an archive"),
        (b"\x1f\x8b" + ANY, "a.tar.gz", "a compressed file"),
        (b"<!DOCTYPE html><html>", "a.jpg", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a.jpg", "a pointer of Git LFS"),
        (bytes(128) + b"DICM" + ANY, "a.dcm", "a DICOM image"),
    ],
)
def test_what_pillow_lacks_is_called_by_its_name(content, name, kind):
    with pytest.raises(InputError, match=f"^cat/{name} is {kind}"):
        decode.decode(content, 32, f"cat/{name}")


def test_layers_of_photoshop_are_read():
    header = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 1, 1, 8, 3)
    content = header + bytes(12) + b"\0\0" + bytes([1, 2, 3])  # no palette, resources or layers; raw planes
    assert decode.decode(content, 1, "x").ravel().tolist() == [1, 2, 3]


# --- 16 bits that hold fewer


def test_sixteen_bits_that_use_twelve_are_said():
    dark: list[str] = []
    pixels = decode.decode(encoded(gray16(4095)), 1, "a", dark)
    assert pixels.ravel().tolist() == [16, 16, 16]  # never stretched by what one image holds
    decode.decode(encoded(gray16(4095), "PPM"), 1, "b", dark)
    decode.decode(deep_color(4095), 1, "c", dark)
    assert dark == ["a", "b", "c"]
    for content in (encoded(gray16(4096)), encoded(gray16(0)), encoded(one_pixel("L", 1)), deep_color(4096)):
        decode.decode(content, 1, "d", dark)
    for content in (tiff12(4000), tiff12(3), tiff(encoded(gray16(9), "TIFF"), MAX_4095)):  # state what they hold
        decode.decode(content, 1, "e", dark)
    assert dark == ["a", "b", "c"]


def deep_color(value: int) -> bytes:
    """One pixel of a PNG in RGB of 16 bits, which Pillow cannot write."""
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0" + struct.pack(">HHH", value, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


MAX_4095 = (281, 3, 1, struct.pack("<I", 4095))


@pytest.mark.parametrize(
    ("value", "stated", "gray"),
    [
        (4095, 4095, 255),
        (1606, 4095, 100),
        (1023, 1023, 255),
        (65535, 4095, 255),  # it states what is not so
        (100 * 257, 4095, 100),
        (4000, 4000, 16),  # no range of any number of bits, but the largest value found
        (4000, 65535, 16),
        (255, 255, 1),
    ],
)
def test_a_tiff_may_state_its_range(value, stated, gray):
    content = tiff(encoded(gray16(value), "TIFF"), (281, 3, 1, struct.pack("<I", stated)))
    assert decode.decode(content, 1, "x").ravel().tolist() == [gray] * 3


# --- names


def test_a_message_is_one_printable_line():
    with pytest.raises(InputError) as caught:
        decode.decode(b"text", 32, "caf\udce9\n\x1b[31m\u202e.png")
    assert str(caught.value).startswith("caf\\udce9\\n\\x1b[31m\\u202e.png is damaged")


WIDE = Image.fromarray(
    np.repeat(np.arange(0, 240, 4, dtype=np.uint8)[None], 30, axis=0)
)  # 60 x 30, brighter rightwards


@pytest.mark.parametrize(
    ("how", "left", "top", "right"),
    [("squash", 0, 118, 236), ("crop", 60, 118, 176), ("pad", 0, 128, 236)],  # at mid-height, the top's middle
)
def test_what_is_no_square_is_squashed_cropped_or_padded(how, left, top, right):
    pixels = decode.decode(encoded(WIDE), 30, "x", how=how)[0].astype(int)
    assert abs(pixels[15, 0] - left) <= 4
    assert abs(pixels[0, 15] - top) <= 4
    assert abs(pixels[15, -1] - right) <= 4


@pytest.mark.parametrize("how", ["squash", "crop", "pad"])
def test_squares_stay_as_they_are(how):
    np.testing.assert_array_equal(decode.decode(encoded(NOISE), 32, "x", how=how), np.asarray(NOISE).transpose(2, 0, 1))
