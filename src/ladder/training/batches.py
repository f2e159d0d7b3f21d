"""An epoch's batches: which images in which order, and what is seen of them.

All of it follows from (seed, epoch), the same for any number of processes. Images are augmented anew in each epoch; or,
with `views`, n views of the training images come back in turn, so that what a teacher answers to one can be kept. The
order of the images is always a new one.

Then the augmentation of epoch e is that of view e mod n. Every second round is mirrored, where augmentation mirrors
some images and not others (0 < aug.hflip < 1): the network sees 2 n views. Whoever keeps answers to a view keeps one
for both, as if the teacher answered the mirrored image alike.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ladder.params import Rung
from ladder.training.augment import apply, augment, draw
from ladder.training.distributed import World


class View:
    """One view of all training images, in any of which it is made when it is asked for.

    Args:
        images: uint8 (N, 3, H, W), on the device.
        mean: (3,), of the channels, in [0, 1].
        cfg: with `views`.
        epoch: from 0. Epochs of one `number` differ in `mirrored` alone.
    """

    def __init__(self, images: Tensor, mean: Tensor, cfg: Rung, epoch: int):
        self.count = count(cfg)
        turn, self.number = divmod(epoch, self.count)
        self.mirrored = cfg.aug is not None and 0 < cfg.aug.hflip < 1 and turn % 2 == 1
        self._images, self._mean, self._aug = images, mean, cfg.aug
        if cfg.aug is not None:
            generator = torch.Generator(images.device).manual_seed(_mix(cfg.seed, self.number, 2))
            self._drawn = draw(len(images), images.shape[2], images.shape[3], cfg.aug, generator)

    def __len__(self) -> int:
        return len(self._images)

    @property
    def image_size(self) -> int:
        return self._images.shape[-1]

    def plain(self, places: Tensor) -> Tensor:
        """The images at `places` (B,) of the training part, before any mirroring: (B, 3, H, W)."""
        if self._aug is None:
            return self._images[places]
        drawn = {name: values[places] for name, values in self._drawn.items()}
        return apply(self._images[places], drawn, self._aug, self._mean)

    def seen(self, places: Tensor) -> Tensor:
        """The images at `places` as the network sees them in this epoch: (B, 3, H, W)."""
        return self.plain(places).flip(3) if self.mirrored else self.plain(places)


@dataclass(frozen=True)
class Batch:
    """This process' part of a batch, or all of it.

    `images` (B, 3, H, W), `labels` int64 (B,), `places` of the images in the training part int64 (B,), the number of
    images in the batch of all processes, and the view that the images are of, where views come back.
    """

    images: Tensor
    labels: Tensor
    places: Tensor
    whole: int
    view: View | None


def count(cfg: Rung) -> int:
    """How many views there are in a run: without augmentation they are all one."""
    return min(cfg.views or cfg.recipe.epochs, cfg.recipe.epochs) if cfg.aug is not None else 1


def iterate(images: Tensor, labels: Tensor, mean: Tensor, cfg: Rung, epoch: int, world: World) -> Iterator[Batch]:
    """The batches of an epoch, of nearly equal size, at most `batch_size`; none is dropped, so each image is seen once.

    Sets the state that dropout draws from, too.

    Args:
        images, labels: uint8 (N, 3, H, W) and int64 (N,), on the device.
        mean: (3,), of the channels, in [0, 1].
        epoch: from 0.
    """
    device = images.device
    torch.manual_seed(_mix(cfg.seed, epoch, 3 + world.rank if world.rank else 0))  # dropout
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(_mix(cfg.seed, epoch, 1)))
    generator = torch.Generator(device).manual_seed(_mix(cfg.seed, epoch, 2))
    view = View(images, mean, cfg, epoch) if cfg.views is not None else None
    for places in order.to(device).tensor_split(math.ceil(len(labels) / cfg.recipe.batch_size)):
        if view is not None:
            seen = view.seen(places)
        elif cfg.aug is not None:
            seen = augment(images[places], cfg.aug, mean, generator)
        else:
            seen = images[places]
        share = world.share
        yield Batch(share(seen), share(labels[places]), share(places), len(places), view)


def _mix(seed: int, epoch: int, stream: int) -> int:
    """A 64-bit seed for one of an epoch's independent streams."""
    return int(np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)[0] >> np.uint64(1))
