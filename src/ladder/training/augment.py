"""Batched augmentation on the device: every image draws for itself, no loop over images.

Works on pixel values, before normalization and resizing, so that a teacher and a student that prepare their input
differently see the identical view (arXiv 2106.05237 finds that distillation needs this).

The order: flip and crop only move pixels, so they share one gather on the raw uint8 values; rotation follows and
interpolates once; color jitter sees the view as the network would, its fill included; cutout is last, so that its
square is exactly the channel mean (zero once normalized), which a jitter after it would tint.

All that chance decides is drawn before the first pixel is moved: a view of many images can be kept as its draws.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ladder import params, params_groups

# ITU-R BT.601 luma as torchvision writes it: sums to 0.9999.
GRAY = (0.2989, 0.587, 0.114)

Draws = dict[str, Tensor]  # transform that is on -> what chance decided for each image, (B, ...)


def augment(images: Tensor, aug: params.Aug, mean: Sequence[float] | Tensor, generator: torch.Generator) -> Tensor:
    """One random view of each image.

    A transform draws from the generator only if it is on. The same generator state gives the same bytes on the same
    kind of machine, in any memory layout of the input. `aug.enabled` is for the caller: without it, do not call.

    Args:
        images: uint8 or float (B, 3, H, W), pixel values in [0, 255]; not written to.
        aug: lengths in pixels of these images, angles in degrees.
        mean: (3,), of the channels, in [0, 1]: colour of the fill `mean` and of cutout. A tensor that is on the
            device already saves copying it there.
        generator: on the device of the images.
    Returns: float32 (B, 3, H, W), pixel values in [0, 255]; contiguous.
    Raises: ValueError for another shape, or a crop_padding that is not below both H and W.
    Source: cutout, DeVries & Taylor 2017, arXiv:1708.04552; color jitter as torchvision's ColorJitter defines it.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must be (B, 3, H, W), not {tuple(images.shape)}")
    if aug.crop_padding >= min(images.shape[2:]):
        raise ValueError(f"crop_padding={aug.crop_padding} must be below the image's sides {tuple(images.shape[2:])}")
    return apply(images, draw(len(images), images.shape[2], images.shape[3], aug, generator), aug, mean)


def draw(count: int, height: int, width: int, aug: params.Aug, generator: torch.Generator) -> Draws:
    """What chance decides for a view of `count` images (..., H, W): some tens of bytes for each."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator, device=generator.device)

    def integers(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=generator, device=generator.device)

    drawn: Draws = {}
    if aug.hflip > 0:
        drawn["flip"] = uniform(1) < aug.hflip
    if aug.crop_padding > 0:
        padding = aug.crop_padding
        drawn["down"], drawn["right"] = integers(-padding, padding + 1, 2, count, 1)
    if aug.rotation > 0:
        drawn["rotation"] = 2 * uniform(1, 1, 1) - 1
    for name, half_width in aug.color_jitter:  # in the order of its fields
        if half_width > 0:
            drawn[name] = 2 * uniform(1, 1, 1) - 1
    if aug.cutout > 0:
        drawn["row"], drawn["column"] = integers(0, height, count, 1), integers(0, width, count, 1)
    return drawn


def apply(images: Tensor, drawn: Draws, aug: params.Aug, mean: Sequence[float] | Tensor) -> Tensor:
    """The view of images (B, 3, H, W) for which `drawn` stands; as `augment` otherwise."""
    images = images.contiguous()  # one layout out and one path through the kernels, whatever layout came in
    fill = _fill(aug.fill, mean, images)
    images = _flip_and_crop(images, drawn, fill)
    if "rotation" in drawn:
        images = _rotate(images, aug.rotation * drawn["rotation"], fill)
    images = _jitter(images, aug.color_jitter, drawn)
    if "row" in drawn:
        images = _cutout(images, aug.cutout, _pixel(mean, images), drawn["row"], drawn["column"])
    return images


def _flip_and_crop(images: Tensor, drawn: Draws, fill: Tensor | None) -> Tensor:
    """Mirror those that are to be, then shift all by whole pixels in both directions; float32.

    As indices: row y of the view is row y + shift, which beyond the border is reflected as F.pad's `reflect` does.
    """
    batch, channels, height, width = images.shape
    device = images.device
    rows, columns = torch.arange(height, device=device)[None], torch.arange(width, device=device)[None]
    inside = None
    if "down" in drawn:
        rows, columns = rows + drawn["down"], columns + drawn["right"]  # (B, H), (B, W)
        inside = _within(rows, 0, height)[:, :, None] & _within(columns, 0, width)[:, None, :]  # (B, H, W)
        rows, columns = _reflect(rows, height), _reflect(columns, width)
    if "flip" in drawn:
        columns = torch.where(drawn["flip"], width - 1 - columns, columns)  # (B, W)
    if "flip" in drawn or "down" in drawn:
        pixels = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)  # (B, H * W), indices into one channel
        pixels = pixels[:, None].expand(-1, channels, -1)
        images = images.flatten(2).gather(2, pixels).view(batch, channels, height, width)
    images = images.float()
    if fill is not None and inside is not None:
        images = torch.where(inside[:, None], images, fill)
    return images


def _rotate(images: Tensor, degrees: Tensor, fill: Tensor | None) -> Tensor:
    """Rotate image i counterclockwise by degrees[i] about its centre, bilinear; degrees (B, 1, 1, 1).

    align_corners=True puts the mirror on the centres of the border pixels, where F.pad's `reflect` has it.
    """
    _, _, height, width = images.shape
    angle = torch.deg2rad(degrees)[:, 0]  # (B, 1, 1)
    y = torch.arange(height, device=images.device)[:, None] - (height - 1) / 2  # (H, 1), pixels from the centre
    x = torch.arange(width, device=images.device) - (width - 1) / 2  # (W,)
    # Elementwise, for F.affine_grid multiplies matrices, which autocast does in bfloat16: 0.1 px off in 32 px images.
    source_x = (torch.cos(angle) * x - torch.sin(angle) * y) * (2 / (width - 1))  # (B, H, W), the image is [-1, 1]
    source_y = (torch.sin(angle) * x + torch.cos(angle) * y) * (2 / (height - 1))
    grid = torch.stack([source_x, source_y], dim=-1)  # (B, H, W, 2)
    if fill is None:
        rotated = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=True)
    else:
        rotated = F.grid_sample(images - fill, grid, mode="bilinear", padding_mode="zeros", align_corners=True) + fill
    return rotated.clamp(0, 255)  # the four weights may sum to a little over 1


def _jitter(images: Tensor, jitter: params_groups.ColorJitter, drawn: Draws) -> Tensor:
    """Brightness, contrast, saturation, hue, in this order, each clamped to pixel values as torchvision does."""
    if "brightness" in drawn:
        images = _blend(images, torch.zeros_like(images[:1, :1]), jitter.brightness * drawn["brightness"])
    if "contrast" in drawn:
        gray = _gray(images).mean(dim=(1, 2, 3), keepdim=True)
        images = _blend(images, gray, jitter.contrast * drawn["contrast"])
    if "saturation" in drawn:
        images = _blend(images, _gray(images), jitter.saturation * drawn["saturation"])
    if "hue" in drawn:
        images = _shift_hue(images, jitter.hue * drawn["hue"])
    return images


def _cutout(images: Tensor, side: int, colour: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Paint a square around a pixel of the image, so that it may reach over the border; colour (3, 1, 1)."""
    height, width = images.shape[2:]
    device = images.device
    top, left = row - side // 2, column - side // 2  # (B, 1)
    rows = _within(torch.arange(height, device=device), top, top + side)  # (B, H)
    columns = _within(torch.arange(width, device=device), left, left + side)  # (B, W)
    return torch.where(rows[:, None, :, None] & columns[:, None, None, :], colour, images)


def _shift_hue(images: Tensor, turns: Tensor) -> Tensor:
    """RGB to HSV, hue + turns, and back; turns (B, 1, 1, 1). Counts hue in sixths of a turn, from red over green."""
    red, green, blue = images.unbind(1)  # (B, H, W) each
    value = images.amax(1)
    chroma = value - images.amin(1)
    divisor = torch.where(chroma > 0, chroma, 1)  # grays have no hue, and keep none: their chroma is 0
    from_red = (green - blue) / divisor
    from_green = (blue - red) / divisor + 2
    from_blue = (red - green) / divisor + 4
    hue = torch.where(value == red, from_red, torch.where(value == green, from_green, from_blue)) + 6 * turns[:, 0]
    # A channel lies below the value by the chroma times a trapezoid of the hue, for all three the same but shifted.
    start = 5 - 2 * torch.arange(3, device=images.device).view(3, 1, 1)
    phase = torch.remainder(hue[:, None] + start, 6)  # (B, 3, H, W)
    return value[:, None] - chroma[:, None] * torch.minimum(phase, 4 - phase).clamp(0, 1)


def _blend(images: Tensor, origin: Tensor, more: Tensor) -> Tensor:
    """Move each image away from `origin` by a factor of 1 + more, (B, 1, 1, 1)."""
    return (origin + (1 + more) * (images - origin)).clamp(0, 255)


def _gray(images: Tensor) -> Tensor:
    red, green, blue = images.unbind(1)  # (B, H, W) each
    return (GRAY[0] * red + GRAY[1] * green + GRAY[2] * blue)[:, None]  # (B, 1, H, W)


def _fill(name: str, mean: Sequence[float] | Tensor, images: Tensor) -> Tensor | None:
    """The colour that comes in from outside the image, (3, 1, 1); None to reflect the image instead."""
    if name == "reflect":
        return None
    return _pixel(mean, images) if name == "mean" else torch.zeros(3, 1, 1, device=images.device)


def _pixel(mean: Sequence[float] | Tensor, images: Tensor) -> Tensor:
    """A colour in [0, 1] as pixel values on the images' device: (3, 1, 1)."""
    return 255 * torch.as_tensor(mean, dtype=torch.float32, device=images.device).view(3, 1, 1)


def _within(values: Tensor, low: Tensor | int, high: Tensor | int) -> Tensor:
    return (values >= low) & (values < high)


def _reflect(index: Tensor, length: int) -> Tensor:
    """Mirror once at 0 and at length - 1."""
    return length - 1 - (length - 1 - index.abs()).abs()
