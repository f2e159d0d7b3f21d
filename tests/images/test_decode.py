"""Every kind of image file becomes upright RGB bytes, or an InputError that names it."""

import io

import numpy as np
import pytest
from PIL import Image

from ladder.core.errors import InputError
from ladder.images import decode


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def one_pixel(mode: str, value) -> Image.Image:
    image = Image.new(mode, (1, 1))
    image.putpixel((0, 0), value)
    return image


def gray16(value: int) -> Image.Image:
    return Image.fromarray(np.array([[value]], np.uint16))


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
    assert decode.decode(encoded(image, exif=exif), 2, "x")[0].tolist() == [[10, 10], [200, 200]]


def test_other_sizes_are_squeezed_into_the_square():
    wide = Image.fromarray(np.repeat([[0, 255]], 16, axis=1).repeat(8, axis=0).astype(np.uint8))  # 32 x 8
    pixels = decode.decode(encoded(wide), 8, "x")
    assert pixels.shape == (3, 8, 8)
    assert (pixels[:, :, :3].max(), pixels[:, :, 5:].min()) == (0, 255)  # both ends are kept
    assert decode.decode(encoded(one_pixel("L", 7)), 4, "x").tolist() == np.full((3, 4, 4), 7).tolist()


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is damaged or in no image format", id="empty"),
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
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bombs_are_refused(monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(decode, "MAX_PIXELS", limit)
    with pytest.raises(InputError, match=r"^cat/1.png is too large"):
        decode.decode(encoded(NOISE), 32, "cat/1.png")  # 1024 pixels
