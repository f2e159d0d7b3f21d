"""An image file's bytes -> uint8 pixels, whatever its format, mode and size."""

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ladder.core.errors import InputError

MAX_PIXELS = 89_478_485  # Pillow's own limit, but up to twice as many it only warns


def decode(content: bytes, size: int, name: str) -> np.ndarray:
    """Decode any image that Pillow reads into RGB, uint8 (3, size, size).

    - Turned upright as its EXIF orientation says. Of an animation, the first frame.
    - Transparent parts become white, as on a page. 16-bit grays are scaled (65535 becomes 255).
    - Colour profiles are ignored.
    - Resized by `fit`.

    Raises: InputError that begins with `name` for bytes that are no image, a truncated or damaged one, one of more than
    MAX_PIXELS, or one without a scale to 8 bits (floats, 32-bit integers).
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            rgb = _rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} is too large ({error}): shrink or remove it") from None
    except UnidentifiedImageError:
        raise InputError(f"{name} is damaged or in no image format that Pillow reads: replace or remove it") from None
    except Exception as error:  # Pillow's readers let out whatever a damaged file leads them into
        raise InputError(f"{name} cannot be read as an image ({error}): replace or remove it") from None
    return np.asarray(fit(rgb, size)).transpose(2, 0, 1)


def fit(image: Image.Image, size: int) -> Image.Image:
    """Resize to a square (bilinear with antialiasing), squeezing the longer side: what lies at the edge is kept."""
    return image if image.size == (size, size) else image.resize((size, size), Image.Resampling.BILINEAR)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed scale, save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit gray -> 8-bit gray: 65535 / 255 = 257. (Pillow's own conversion clips at 255.)"""
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > 65535:
        raise ValueError("32-bit pixels have no agreed scale, save it with 8 or 16 bits")
    return Image.fromarray(((levels + 128) // 257).astype(np.uint8))
