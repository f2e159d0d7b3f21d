"""The groups of params.yaml that say how data are looked at: `inspect`, `labels`, `corruptions`."""

from typing import Annotated

from pydantic import AfterValidator, Field

from ladder.params_groups import Fraction, Group, Positive


def _rising(pair: list[float]) -> list[float]:
    if not pair[0] < pair[1]:
        raise ValueError(f"the weaker strength stands first: below the stronger one, not {pair}")
    return pair


def _falling(pair: list[int]) -> list[int]:
    if not pair[0] > pair[1]:
        raise ValueError(f"the weaker strength stands first: the better quality, not {pair}")
    return pair


Share = Annotated[float, Field(gt=0, lt=1)]
Pixels = Annotated[float, Field(gt=0, le=16)]
Quality = Annotated[int, Field(ge=1, le=95)]
Two = Field(min_length=2, max_length=2)


class Inspect(Group):
    """Near-duplicates: at most so many of a hash's 64 bits differ, and thumbnails by at most a share of their contrast.

    See `images.near_duplicates`.
    """

    hash_bits: Annotated[int, Field(ge=0, le=32)]
    difference: Fraction


class Labels(Group):
    """Doubtful labels: how many of validation and test are listed."""

    listed: Positive


class Corruptions(Group):
    """Test images made worse, each corruption at two strengths, the weaker one first; `images`: drawn for it, at most.

    noise: standard deviation, and brightness: what is added to the value of HSV, as shares of the range of a pixel.
    blur: the Gaussian's deviation, pixels in an image of 32. jpeg: quality. shift: how far, as a share of the side.
    """

    images: Positive
    noise: Annotated[list[Share], Two, AfterValidator(_rising)]
    blur: Annotated[list[Pixels], Two, AfterValidator(_rising)]
    jpeg: Annotated[list[Quality], Two, AfterValidator(_falling)]
    brightness: Annotated[list[Share], Two, AfterValidator(_rising)]
    shift: Annotated[list[Share], Two, AfterValidator(_rising)]
