"""Damaged image files of every format: pixels or one InputError, nothing else.

LADDER_FUZZ_EXAMPLES: how many of each; `--hypothesis-show-statistics` prints how many of them were read and refused.
"""

import io
import warnings

import numpy as np
import pillow_heif
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from PIL import Image

from fuzzing import bounded
from ladder.core.errors import InputError
from ladder.images import decode

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")  # tests/test_predict.py sees that they reach nobody


def written(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(stream, **options)
    else:
        image.save(stream, kind, **options)
    return stream.getvalue()


EXIF = Image.Exif()
EXIF[0x0112], EXIF[0x010F] = 6, "maker"
NOISE = np.random.default_rng(0).integers(0, 256, (24, 20, 4), np.uint8)
RGB = Image.fromarray(NOISE[:, :, :3])
META = {"exif": EXIF.tobytes()}
WHOLE = {
    **{kind: written(RGB, kind, **META) for kind in ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "HEIC", "JPEG2000")},
    **{
        kind: written(RGB, kind)
        for kind in ("BMP", "DIB", "PPM", "TGA", "SGI", "PCX", "ICO", "ICNS", "DDS", "QOI", "IM")
    },
    "PNG-palette": written(RGB.quantize(16), "PNG", transparency=3),
    "PNG-16": written(Image.fromarray(NOISE[:, :, 0].astype(np.uint16) * 257), "PNG"),
    "PNG-animated": written(RGB, "PNG", save_all=True, append_images=[RGB.rotate(90)]),
    "JPEG-progressive": written(RGB, "JPEG", progressive=True, comment=b"comment"),
    "JPEG-CMYK": written(RGB.convert("CMYK"), "JPEG"),
    "MPO": written(RGB, "MPO", save_all=True, append_images=[RGB]),
    "WEBP-lossless": written(Image.fromarray(NOISE), "WEBP", lossless=True),
    "WEBP-animated": written(RGB, "WEBP", save_all=True, append_images=[RGB.rotate(90)]),
    "GIF": written(RGB, "GIF"),
    "GIF-animated": written(RGB, "GIF", save_all=True, append_images=[RGB.rotate(90)]),
    **{f"TIFF-{how}": written(RGB, "TIFF", compression=how) for how in ("tiff_lzw", "tiff_adobe_deflate", "jpeg")},
    "TIFF-16": written(Image.fromarray(NOISE[:, :, 0].astype(np.uint16) * 257), "TIFF"),
    "XBM": written(RGB.convert("1"), "XBM"),
    "MSP": written(RGB.convert("1"), "MSP"),
}


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """Cut, overwritten, with bytes put in or taken out, up to four times; often near the start, where headers are."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        last = len(content) if draw(st.booleans()) else min(len(content), 200)
        at, length = draw(st.integers(0, last)), draw(st.integers(1, 8))
        how = draw(st.sampled_from(["flip", "write", "ones", "insert", "remove", "cut"]))
        if how == "flip" and at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "write":
            content[at : at + length] = draw(st.binary(min_size=length, max_size=length))
        elif how == "ones":
            content[at : at + length] = b"\xff" * length
        elif how == "insert":
            content[at:at] = draw(st.binary(min_size=length, max_size=length))
        elif how == "remove":
            del content[at : at + length]
        elif how == "cut":
            del content[at:]
    return bytes(content)


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_ones_are_read(kind):
    assert decode.decode(WHOLE[kind], 16, "x").shape == (3, 16, 16)


def outcome(content: bytes) -> np.ndarray | str:
    """Pixels, or the message; a warning of anybody but Pillow is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            return decode.decode(content, 16, "cat/1")
        except InputError as error:
            return str(error)


def check(content: bytes) -> None:
    found = outcome(content)
    if isinstance(found, str):
        event("refused")
        assert found.startswith("cat/1 ")
        assert len(found.splitlines()) == 1
    else:
        event("read")
        assert (found.shape, found.dtype) == ((3, 16, 16), np.uint8)


@pytest.mark.parametrize("kind", WHOLE)
@bounded(40)
@given(data=st.data())
def test_pixels_or_one_message(kind, data):
    check(data.draw(damaged(WHOLE[kind])))


@bounded(40)
@given(st.binary(max_size=300))
def test_anything_at_all(content):
    check(content)
