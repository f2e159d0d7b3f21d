"""An epoch's batches: every image once, views that are new or come back, and the same ones for a matched pair."""

import itertools

import pytest
import torch

from ladder import params
from ladder.params import Rung
from ladder.training import batches, loop
from ladder.training.augment import augment
from ladder.training.distributed import World

ALONE = World(1, 0, True)
ON = {
    "hflip": 0.5,
    "rotation": 20.0,
    "crop_padding": 2,
    "cutout": 3,
    "color_jitter": {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 0.1},
}


def changed(tiny, views, aug=ON, **recipe) -> params.Params:
    values = tiny.model_dump()
    values["student"] |= {"views": views, "batch_size": 10, "epochs": 7, **recipe}
    values["aug"] |= aug
    return params.validate(values)


def student(tiny, views, **aug) -> Rung:
    return changed(tiny, views, ON | aug).rung("train_student")


def epoch(split, cfg: Rung, number: int, world: World = ALONE) -> list[batches.Batch]:
    images, labels = loop.on_device(split.train, torch.device("cpu"))
    return list(batches.iterate(images, labels, torch.tensor(split.mean), cfg, number, world))


def in_place(seen: list[batches.Batch]) -> torch.Tensor:
    """The images of an epoch in the order of the training part."""
    order = torch.cat([batch.places for batch in seen]).argsort()
    return torch.cat([batch.images for batch in seen])[order]


@pytest.mark.parametrize("views", [None, 2])
def test_every_image_is_seen_once_an_epoch_in_batches_of_at_most_the_given_size(split, tiny, views):
    cfg = student(tiny, views)
    orders = []
    for number in (0, 1, 2, 0):
        seen = epoch(split, cfg, number)
        assert max(len(batch.labels) for batch in seen) <= 10
        assert all(batch.whole == len(batch.labels) for batch in seen)
        for batch in seen:
            assert torch.equal(batch.labels, torch.from_numpy(split.train.labels)[batch.places])
        orders.append(torch.cat([batch.places for batch in seen]).tolist())
    assert sorted(orders[0]) == list(range(len(split.train)))
    assert orders[0] == orders[3]
    assert len({tuple(order) for order in orders}) == 3, "views come back, their order does not"


@pytest.mark.parametrize("views", [None, 2])
def test_without_augmentation_batches_are_the_images_themselves(split, tiny, views):
    images = torch.from_numpy(split.train.images)
    for enabled in (True, False):
        seen = [epoch(split, student(tiny, views, enabled=enabled), number) for number in range(5)]
        assert all(torch.equal(in_place(batches), images) for batches in seen) != enabled
    assert batches.count(student(tiny, views, enabled=False)) == 1, "all views are one"


def test_null_gives_new_views_as_batch_after_batch_draws_them(split, tiny):
    cfg, images = student(tiny, None), torch.from_numpy(split.train.images)
    generator = torch.Generator().manual_seed(batches._mix(cfg.seed, 3, 2))
    for batch in epoch(split, cfg, 3):
        assert batch.view is None
        assert torch.equal(batch.images, augment(images[batch.places], cfg.aug, split.mean, generator))
    epochs = [in_place(epoch(split, cfg, number)) for number in range(4)]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(epochs, 2))


def test_views_come_back_in_turn_each_second_round_mirrored(split, tiny):
    cfg = student(tiny, 3)
    rounds = [[in_place(epoch(split, cfg, 3 * turn + view)) for view in range(3)] for turn in range(2)]
    for first, second in zip(*rounds, strict=True):
        torch.testing.assert_close(second, first.flip(3))
        assert not torch.equal(second, first)
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(rounds[0], 2))
    assert [epoch(split, cfg, number)[0].view.number for number in range(7)] == [0, 1, 2, 0, 1, 2, 0]
    torch.testing.assert_close(in_place(epoch(split, cfg, 6)), rounds[0][0])


@pytest.mark.parametrize("hflip", [0.0, 1.0])
def test_where_all_images_are_mirrored_alike_no_round_is(split, tiny, hflip):
    cfg = student(tiny, 1, hflip=hflip)
    torch.testing.assert_close(in_place(epoch(split, cfg, 0)), in_place(epoch(split, cfg, 1)))


def test_what_a_teacher_is_asked_of_a_view_is_never_mirrored(split, tiny):
    places = torch.arange(len(split.train))
    views = [epoch(split, student(tiny, 1), number)[0].view for number in (0, 1)]
    assert [view.mirrored for view in views] == [False, True]
    assert torch.equal(views[0].plain(places), views[1].plain(places))
    assert torch.equal(views[1].seen(places), views[1].plain(places).flip(3))


@pytest.mark.parametrize("views", [None, 2])
def test_the_pair_sees_the_same_bytes(split, tiny, views):
    cfg = changed(tiny, views)
    for number in range(5):
        alone, taught = (epoch(split, cfg.rung(name), number) for name in ("train_student", "distill"))
        for one, other in zip(alone, taught, strict=True):
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.places, other.places)


@pytest.mark.parametrize("views", [None, 2])
def test_processes_divide_the_batches_of_one(split, tiny, views):
    cfg = student(tiny, views)
    parts = [epoch(split, cfg, 3, World(2, rank, rank == 0)) for rank in range(2)]
    for whole, *shared in zip(epoch(split, cfg, 3), *parts, strict=True):
        assert torch.equal(torch.cat([part.images for part in shared]), whole.images)
        assert torch.equal(torch.cat([part.places for part in shared]), whole.places)
        assert [part.whole for part in shared] == [whole.whole] * 2
