"""Sizes of images as they are stored."""

import io

import numpy as np
import pytest
from PIL import Image

from ladder.images import sizes
from trees import own, write_folder


def saved(width: int, height: int, kind: str) -> bytes:
    import pillow_heif

    stream = io.BytesIO()
    image = Image.new("RGB", (width, height))
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(stream)
    else:
        image.save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "HEIC"])
def test_width_and_height_of_every_format(kind):
    assert sizes.size(saved(40, 30, kind)) == (40, 30)


def test_sizes_come_in_the_order_of_ids(tmp_path):
    tree = {
        "test/dog/0.png": saved(5, 50, "PNG"), "test/cat/0.png": saved(4, 40, "PNG"),
        "train/dog/0.png": saved(3, 30, "PNG"), "train/cat/1.png": saved(2, 20, "PNG"),
        "train/cat/0.jpg": saved(1, 10, "JPEG"),
    }  # fmt: skip
    data = own(write_folder(tmp_path / "photos", tree))
    assert sizes.read(data, 5).tolist() == [[1, 10], [2, 20], [3, 30], [4, 40], [5, 50]]


def test_published_images_have_the_size_they_were_published_in(tmp_path):
    data = own(tmp_path).model_copy(update={"source": "cifar10"})
    assert np.array_equal(sizes.read(data, 3), np.full((3, 2), 32))
