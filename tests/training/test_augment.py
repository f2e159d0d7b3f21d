"""Against `plain`: image after image, with torchvision's functions and loops over pixels, and the same draws."""

import itertools

import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as tv
from torchvision.transforms import InterpolationMode

from ladder.params_groups import Aug, ColorJitter
from ladder.training.augment import apply, augment, draw

MEAN = (0.5, 0.4, 0.2)
FILLS = ("reflect", "mean", "black")
EVERYTHING = {
    "hflip": 0.5,
    "rotation": 30.0,
    "crop_padding": 3,
    "cutout": 5,
    "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2},
}


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    return request.param


def settings(*, fill="reflect", color_jitter=None, **on):
    jitter = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, **(color_jitter or {})}
    off = {"hflip": 0.0, "rotation": 0.0, "crop_padding": 0, "cutout": 0}
    return Aug(enabled=True, fill=fill, color_jitter=ColorJitter(**jitter), **{**off, **on})


def some_images(batch=16, height=12, width=12, device="cpu"):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, generator=generator).to(device)


def seeded(seed, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


def plain(images, aug, generator):
    batch, (height, width) = len(images), images.shape[2:]
    padding, jitter, device = aug.crop_padding, aug.color_jitter, images.device

    def between_minus_one_and_one():
        return (2 * torch.rand(batch, generator=generator, device=device) - 1).tolist()

    views = [image.float() for image in images]
    if aug.hflip:
        flips = torch.rand(batch, generator=generator, device=device) < aug.hflip
        views = [tv.horizontal_flip(view) if flip else view for view, flip in zip(views, flips, strict=True)]
    if padding:
        down, right = torch.randint(-padding, padding + 1, (2, batch), generator=generator, device=device).tolist()
        tops, lefts = [padding + y for y in down], [padding + x for x in right]
        views = [
            padded(view, padding, aug.fill)[:, y : y + height, x : x + width]
            for view, y, x in zip(views, tops, lefts, strict=True)
        ]
    if aug.rotation:
        margin = min(height, width) - 1  # of the fill, wide enough for whatever rotates in
        degrees = [aug.rotation * draw for draw in between_minus_one_and_one()]
        views = [
            tv.rotate(padded(view, margin, aug.fill), angle, InterpolationMode.BILINEAR)
            for view, angle in zip(views, degrees, strict=True)
        ]
        views = [tv.center_crop(view, [height, width]) for view in views]
    for name in ("brightness", "contrast", "saturation"):
        if getattr(jitter, name):
            change = getattr(tv, f"adjust_{name}")
            factors = [1 + getattr(jitter, name) * draw for draw in between_minus_one_and_one()]
            views = [255 * change(view / 255, factor) for view, factor in zip(views, factors, strict=True)]
    if jitter.hue:
        turns = [jitter.hue * draw for draw in between_minus_one_and_one()]
        views = [255 * tv.adjust_hue(view / 255, turn) for view, turn in zip(views, turns, strict=True)]
    if aug.cutout:
        centre_y = torch.randint(height, (batch,), generator=generator, device=device).tolist()
        centre_x = torch.randint(width, (batch,), generator=generator, device=device).tolist()
        for view, y, x in zip(views, centre_y, centre_x, strict=True):
            top, left = y - aug.cutout // 2, x - aug.cutout // 2
            for row, column in itertools.product(range(height), range(width)):
                if top <= row < top + aug.cutout and left <= column < left + aug.cutout:
                    view[:, row, column] = 255 * torch.tensor(MEAN, device=device)
    return torch.stack(views)


def padded(image, padding, fill):
    if fill == "reflect":
        return F.pad(image, [padding] * 4, mode="reflect")
    colours = [255 * value for value in MEAN] if fill == "mean" else [0, 0, 0]
    return torch.stack(
        [F.pad(channel, [padding] * 4, value=colour) for channel, colour in zip(image, colours, strict=True)]
    )


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(
    "on",
    [
        {"hflip": 0.5},
        {"crop_padding": 3},
        {"crop_padding": 11},
        {"hflip": 0.3, "crop_padding": 2},
        {"cutout": 4},
        {"cutout": 5},
    ],
    ids=str,
)
def test_transforms_that_move_or_paint_pixels_are_exact(on, fill, device):
    images, aug = some_images(device=device), settings(fill=fill, **on)
    views = augment(images, aug, MEAN, seeded(1, device))
    assert not torch.equal(views, images.float())
    assert torch.equal(views, plain(images, aug, seeded(1, device)))


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("degrees", [5.0, 90.0])
def test_rotation_is_torchvisions_with_the_fill_around_the_image(degrees, fill, device):
    images, aug = some_images(device=device), settings(rotation=degrees, fill=fill)
    views = augment(images, aug, MEAN, seeded(2, device))
    torch.testing.assert_close(views, plain(images, aug, seeded(2, device)), atol=0.02, rtol=0)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
@pytest.mark.parametrize("amount", [0.1, 0.5])
def test_color_jitter_is_torchvisions(name, amount, device):
    images, aug = some_images(device=device), settings(color_jitter={name: amount})
    views = augment(images, aug, MEAN, seeded(3, device))
    torch.testing.assert_close(views, plain(images, aug, seeded(3, device)), atol=0.02, rtol=0)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(("height", "width"), [(12, 12), (9, 14)])
def test_everything_together_keeps_the_order(height, width, fill, device):
    images, aug = some_images(24, height, width, device), settings(fill=fill, **EVERYTHING)
    views = augment(images, aug, MEAN, seeded(4, device))
    torch.testing.assert_close(views, plain(images, aug, seeded(4, device)), atol=0.05, rtol=0)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_with_everything_off_pixels_stay_and_nothing_is_drawn(dtype, device):
    images, generator = some_images(device=device).to(dtype), seeded(5, device)
    before = generator.get_state()
    assert torch.equal(augment(images, settings(), MEAN, generator), images.float())
    assert torch.equal(generator.get_state(), before)


def test_flipping_twice_is_the_identity():
    images, aug = some_images(), settings(hflip=1.0)
    once = augment(images, aug, MEAN, seeded(6))
    assert torch.equal(once, images.flip(3).float())
    assert torch.equal(augment(once, aug, MEAN, seeded(7)), images.float())


# The image 0..15, moved down and right by one.
MOVED = {
    "reflect": [[5, 4, 5, 6], [1, 0, 1, 2], [5, 4, 5, 6], [9, 8, 9, 10]],
    "mean": [[51, 51, 51, 51], [51, 0, 1, 2], [51, 4, 5, 6], [51, 8, 9, 10]],
    "black": [[0, 0, 0, 0], [0, 0, 1, 2], [0, 4, 5, 6], [0, 8, 9, 10]],
}


@pytest.mark.parametrize("fill", FILLS)
def test_fills_by_hand(fill):
    images = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4).expand(100, 3, 4, 4)
    views = augment(images, settings(crop_padding=1, fill=fill), MEAN, seeded(8))
    shifts = torch.randint(-1, 2, (2, 100), generator=seeded(8))
    moved = views[(shifts == -1).all(dim=0)]
    assert len(moved) > 0
    assert torch.equal(moved[:, 2], torch.tensor(MOVED[fill]).float().expand(len(moved), 4, 4))  # mean: 0.2 * 255 = 51


def test_cutout_by_hand():
    images = torch.full((400, 3, 4, 4), 200, dtype=torch.uint8)
    views = augment(images, settings(cutout=2), MEAN, seeded(9))
    cut = views[:, 2] == 51
    # A square of side 2 around centre (y, x) covers y - 1, y and x - 1, x: at centre 0 one of them lies outside.
    spans = [{0}, {0, 1}, {1, 2}, {2, 3}]
    expected = {frozenset(itertools.product(rows, columns)) for rows in spans for columns in spans}
    assert {frozenset(map(tuple, mask.nonzero().tolist())) for mask in cut} == expected
    assert torch.equal(views[:, 2][~cut], torch.full_like(views[:, 2][~cut], 200))
    torch.testing.assert_close(views[:, 0][cut], torch.full_like(views[:, 0][cut], 127.5))


def test_all_shifts_are_equally_likely_and_flips_have_their_probability():
    position = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).expand(5_000, 3, 8, 8)
    corner = augment(position, settings(crop_padding=2, fill="reflect"), MEAN, seeded(10))[:, 0, 2:6, 2:6]
    _, counts = corner.flatten(1).unique(dim=0, return_counts=True)
    assert len(counts) == 25
    assert counts.min() > 140  # 200 expected, standard deviation 14
    assert counts.max() < 260

    flipped = augment(position, settings(hflip=0.3), MEAN, seeded(11))[:, 0, 0, 0] == 7
    assert flipped.float().mean().item() == pytest.approx(0.3, abs=0.03)


def test_factors_cover_their_range_evenly():
    images = torch.full((5_000, 3, 2, 2), 100, dtype=torch.uint8)
    values = augment(images, settings(color_jitter={"brightness": 0.4}), MEAN, seeded(12))[:, 0, 0, 0]
    counts = torch.histc(values, bins=8, min=60, max=140)
    assert counts.sum() == 5_000
    assert counts.min() > 525  # 625 expected, standard deviation 23
    assert counts.max() < 725


def test_angles_cover_their_range():
    columns = torch.arange(9.0).expand(1, 3, 9, 9).repeat(2_000, 1, 1, 1)
    centre = augment(columns, settings(rotation=40.0), MEAN, seeded(13))[:, 0, 3:6, 3:6]
    # Rotating a ramp of slope 1 leaves a slope of sin(angle) from row to row.
    angles = torch.rad2deg(torch.asin((centre[:, 2, 1] - centre[:, 0, 1]) / 2))
    assert -40.01 <= angles.min() < -39
    assert 39 < angles.max() <= 40.01
    assert angles.mean().item() == pytest.approx(0, abs=2)


@pytest.mark.parametrize(
    "on",
    [{"rotation": 20.0}, {"cutout": 3}, {"crop_padding": 5}]
    + [{"color_jitter": {name: 0.4}} for name in ("brightness", "contrast", "saturation", "hue")],
    ids=str,
)
def test_each_image_draws_for_itself(on):
    images = some_images(1).expand(50, 3, 12, 12)
    assert len(augment(images, settings(**on), MEAN, seeded(14)).unique(dim=0)) > 30


def test_the_generator_alone_decides(device):
    images, aug = some_images(device=device), settings(**EVERYTHING)
    torch.manual_seed(0)
    views = augment(images, aug, MEAN, seeded(15, device))
    torch.manual_seed(1)
    assert torch.equal(augment(images, aug, MEAN, seeded(15, device)), views)
    assert not torch.equal(augment(images, aug, MEAN, seeded(16, device)), views)


def test_the_next_batch_gets_other_draws():
    images, aug, generator = some_images(), settings(**EVERYTHING), seeded(17)
    first = augment(images, aug, MEAN, generator)
    assert not torch.equal(augment(images, aug, MEAN, generator), first)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("fill", FILLS)
def test_views_are_pixel_values_in_float32(dtype, fill, device):
    jitter = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5}
    images = some_images(200, device=device).to(dtype)
    before = images.clone()
    views = augment(images, settings(fill=fill, **{**EVERYTHING, "color_jitter": jitter}), MEAN, seeded(18, device))
    assert views.dtype == torch.float32
    assert views.shape == images.shape
    assert views.device == images.device
    assert torch.isfinite(views).all()
    assert views.min() >= 0
    assert views.max() <= 255
    assert torch.equal(images, before)


@pytest.mark.parametrize("fill", FILLS)
def test_rotation_leaves_no_value_a_rounding_error_above_white(fill):
    white = torch.full((200, 3, 12, 12), 255.0)
    views = augment(white, settings(rotation=45.0, fill=fill), MEAN, seeded(24))
    assert views.max() <= 255


@pytest.mark.parametrize("on", [EVERYTHING, {"rotation": 30.0}, {"color_jitter": {"contrast": 0.5}}, {}], ids=str)
def test_memory_layout_does_not_matter(on, device):
    images = some_images(64, device=device).float()
    channels_last = images.contiguous(memory_format=torch.channels_last)
    views = augment(channels_last, settings(**on), MEAN, seeded(19, device))
    assert views.is_contiguous()
    assert torch.equal(views, augment(images, settings(**on), MEAN, seeded(19, device)))


def test_the_mean_may_be_a_tensor(device):
    images, aug = some_images(device=device), settings(fill="mean", **EVERYTHING)
    views = augment(images, aug, MEAN, seeded(19, device))
    assert torch.equal(augment(images, aug, torch.tensor(MEAN, device=device), seeded(19, device)), views)


def test_autocast_does_not_coarsen_the_views(device):
    images, aug = some_images(device=device), settings(fill="mean", **EVERYTHING)
    views = augment(images, aug, MEAN, seeded(20, device))
    with torch.autocast(device, dtype=torch.bfloat16):
        assert torch.equal(augment(images, aug, MEAN, seeded(20, device)), views)


@pytest.mark.parametrize("fill", FILLS)
def test_only_deterministic_algorithms_are_used(fill, device):
    images, aug = some_images(device=device), settings(fill=fill, **EVERYTHING)
    were_on = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)  # those that are not then raise
    try:
        views = augment(images, aug, MEAN, seeded(21, device))
    finally:
        torch.use_deterministic_algorithms(were_on)
    assert torch.equal(augment(images, aug, MEAN, seeded(21, device)), views)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 1, 8, 8), (2, 8, 8, 3)])
def test_refuses_what_is_no_batch_of_rgb_images(shape):
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\)"):
        augment(torch.zeros(shape, dtype=torch.uint8), settings(), MEAN, seeded(22))


def test_refuses_padding_as_wide_as_the_image():
    with pytest.raises(ValueError, match="crop_padding=9"):
        augment(some_images(2, height=12, width=9), settings(crop_padding=9), MEAN, seeded(23))


@pytest.mark.parametrize("fill", FILLS)
def test_what_was_drawn_for_many_images_makes_the_views_of_any_of_them(fill, device):
    images, aug = some_images(40, device=device), settings(fill=fill, **EVERYTHING)
    whole = augment(images, aug, MEAN, seeded(25, device))
    drawn = draw(len(images), *images.shape[2:], aug, seeded(25, device))
    for places in torch.randperm(40, generator=seeded(26)).to(device).split(7):
        some = apply(images[places], {name: values[places] for name, values in drawn.items()}, aug, MEAN)
        torch.testing.assert_close(some, whole[places])


def test_what_is_off_is_not_drawn():
    assert draw(3, 8, 8, settings(), seeded(27)) == {}
