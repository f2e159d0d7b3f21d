"""An image file's bytes -> uint8 pixels, whatever its format, mode and size."""

import io
import logging
import warnings
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ladder.core.errors import InputError
from ladder.core.types import SQUASH
from ladder.images import formats, metadata
from ladder.images.names import printable

MAX_PIXELS = 89_478_485  # Pillow's own limit, but up to twice as many it only warns
PADDING = "gray"  # (128, 128, 128)
DARK = "16-bit images use less than the lowest sixteenth of their levels and become nearly black"
DARK_REMEDY = "if their sensor has 12 bits or fewer, multiply their values to fill 16 bits"

# What Pillow finds odd about an image that it reads is no news to the owner of a thousand of them. For the whole
# process, since `warnings.catch_warnings` is not for threads.
warnings.filterwarnings("ignore", module=r"PIL\b")
logging.getLogger("PIL").addHandler(logging.NullHandler())

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_UPRIGHT[orientation] for orientation in (5, 6, 7, 8)}
_MAX_SAMPLE_VALUE = 281  # tag of TIFF
_FULL = 65535


def decode(content: bytes, size: int, name: str, dark: list[str] | None = None, how: str = SQUASH) -> np.ndarray:
    """Decode any image that Pillow reads, or a HEIC, into RGB, uint8 (3, size, size).

    - Turned upright as its EXIF orientation says. Of an animation, the first frame.
    - Damaged metadata (EXIF, colour profile, XMP, texts) is passed over: the pixels are what counts.
    - Transparent parts become white, as on a page. Colour profiles are ignored.
    - 16-bit grays: 65535 becomes 255. Where the file states that they hold fewer bits (a TIFF of 12 bits per sample, or
      with a MaxSampleValue of 2^n - 1 that no pixel exceeds), that level does. An image is never stretched by what it
      happens to hold, or images of one camera would not compare. (sBIT of PNG states no range: such values are scaled.)
    - Made square by `fit`.

    Args:
        how: see `fit`.
        dark: gets `name` appended if 16-bit pixels state no range and lie in the lowest sixteenth: say DARK of them.
    Raises: InputError that begins with `name`, in one line, for bytes that are no image, a truncated or damaged one,
    one of more than MAX_PIXELS, or one without a scale to 8 bits (floats, 32-bit integers).
    """
    name, dark = printable(name), [] if dark is None else dark
    if not content:
        raise InputError(f"{name} is an empty file: replace or remove it")
    try:
        rgb, is_dark = _read(content)
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} is too large ({error}): shrink or remove it") from None
    except Exception as error:  # Pillow's readers let out whatever a damaged file leads them into
        kind = formats.foreign(content, name)
        if kind:
            raise InputError(f"{name} is {kind}: save it as PNG or JPEG if it is an image, or remove it") from None
        if isinstance(error, UnidentifiedImageError):
            raise InputError(
                f"{name} is damaged or in no image format that Pillow reads: replace or remove it"
            ) from None
        reason = printable(" ".join(str(error).split()) or type(error).__name__)
        raise InputError(f"{name} cannot be read as an image ({reason}): replace or remove it") from None
    if is_dark:
        dark.append(name)
    return np.asarray(fit(rgb, size, how)).transpose(2, 0, 1)


def dimensions(content: bytes) -> tuple[int, int]:
    """Width and height in pixels of an image that `decode` reads, as it is shown: upright."""
    with _open(content) as image:
        width, height = image.size
        turned = _to_upright(image) in _SIDEWAYS
    return (height, width) if turned else (width, height)


def fit(image: Image.Image, size: int, how: str = SQUASH) -> Image.Image:
    """Resize to a square (bilinear with antialiasing), as `data.fit` says of what is none.

    - `squash`: the longer side is squeezed; shapes change, what lies at the edge is kept.
    - `crop`: the middle of the longer side; shapes are kept.
    - `pad`: gray bars beside the whole image; shapes and edges are kept, in fewer pixels.
    """
    square = (size, size)
    if image.size == square:
        return image
    if how == "crop":
        return ImageOps.fit(image, square, Image.Resampling.BILINEAR)
    if how == "pad":
        return ImageOps.pad(image, square, Image.Resampling.BILINEAR, color=PADDING)
    return image.resize(square, Image.Resampling.BILINEAR)


def _read(content: bytes) -> tuple[Image.Image, bool]:
    """As it is, else without its metadata; raises what the first try did."""
    try:
        return _rgb(content)
    except Image.DecompressionBombError:
        raise
    except Exception:
        for bare in metadata.without(content):
            try:
                return _rgb(bare)
            except Exception:
                continue
        raise


def _rgb(content: bytes) -> tuple[Image.Image, bool]:
    """The image in RGB, and whether its 16-bit pixels lie in the lowest sixteenth of their levels."""
    with _open(content) as image:
        _check_pixels(image.size)
        is_deep = any(";16" in str(tile) for tile in getattr(image, "tile", []))
        _load(image)
        method = _to_upright(image)
        full = _stated_range(image)
        upright = image.copy() if method is None else image.transpose(method)
    is_dark = False
    if upright.mode.startswith("I"):
        upright, is_dark = _eight_bits(upright, full)
    rgb = _on_white(upright)
    if is_deep and not is_dark and not upright.mode.startswith("L"):  # Pillow itself makes 8 bits of 16-bit colours
        is_dark = 0 < max(highest for _, highest in rgb.getextrema()) < 16  # type: ignore[misc]
    return rgb, is_dark


def _open(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        if content[4:8] != b"ftyp":
            raise
    import pillow_heif  # rarely needed

    heic = pillow_heif.open_heif(io.BytesIO(content))
    _check_pixels(heic.size)
    # It has turned the pixels upright itself; what EXIF says of that no longer holds.
    return Image.frombytes(heic.mode, heic.size, bytes(heic.data), "raw", heic.mode, heic.stride)


def _check_pixels(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise Image.DecompressionBombError(f"{size[0]} x {size[1]} pixels")


def _load(image: Image.Image) -> None:
    if image.format == "TIFF":
        _pass_over_trailing_metadata(image)
    image.load()


def _pass_over_trailing_metadata(image) -> None:
    """Once the pixels of a TIFF are there, Pillow reads its EXIF: garbage there is no reason to lose them."""
    read = image.load_end

    def load_end() -> None:
        try:
            read()
        except Exception:  # as anywhere in Pillow's readers
            return

    image.load_end = load_end


def _to_upright(image: Image.Image) -> Image.Transpose | None:
    """What turns the image as its EXIF or XMP says; None where neither says it or it cannot be read."""
    try:
        return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # whatever garbage leads Pillow into
        return None


def _stated_range(image: Image.Image) -> int:
    """The level that is white in a 16-bit gray."""
    tags: Any = getattr(image, "tag_v2", {})
    if tags.get(258) == (12,):
        return 2**12 - 1
    stated = tags.get(_MAX_SAMPLE_VALUE)
    stated = stated[0] if isinstance(stated, tuple) and stated else stated
    if stated in {2**bits - 1 for bits in range(9, 16)} and image.getextrema()[1] <= stated:
        return stated
    return _FULL


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed scale, save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _eight_bits(image: Image.Image, full: int) -> tuple[Image.Image, bool]:
    """Gray of up to 16 bits -> 8-bit gray, rounded: `full` becomes 255. (Pillow's own conversion clips at 255.)"""
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > _FULL:
        raise ValueError("32-bit pixels have no agreed scale, save it with 8 or 16 bits")
    eight = np.minimum((levels * 255 + full // 2) // full, 255)
    return Image.fromarray(eight.astype(np.uint8)), full == _FULL and 0 < int(levels.max()) < 2**12
