"""Compiled crops equal torchvision's for images and boxes of any size and place."""

import errno
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import torch
from numba.core import caching
from scipy.stats import ks_2samp
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import resized_crop

from trainers.config import TrainConfig
from trainers.datasets.batches.random_crops import VERSION, _compiled, random_boxes, random_resized_crops, resized_crops
from trainers.datasets.dataset import PackedImages

SIDES = (1, 2, 7, 40, 223)


@pytest.mark.parametrize("resolution", [1, 8, 33, 75])
def test_crops_equal_torchvision_to_within_one_grey_level(resolution: int) -> None:
    generator = np.random.default_rng(resolution)
    images = [generator.integers(0, 256, (height, width, 3), dtype=np.uint8) for height in SIDES for width in SIDES]
    ends = [[sorted(generator.choice(side + 1, 2, replace=False)) for side in image.shape[:2]] for image in images]
    boxes = np.array([(top, left, bottom, right) for (top, bottom), (left, right) in ends])
    mirrored = generator.random(len(images)) < 0.5
    packed, order = PackedImages.of(images), generator.permutation(len(images))[:-2]
    # a cache returns any images in any order
    subset = PackedImages(packed.pixels, packed.offsets[order], packed.sizes[order])

    crops = resized_crops(subset, boxes[order], mirrored[order], resolution)

    for crop, i in zip(crops, order, strict=True):
        top, left, bottom, right = boxes[i]
        size, whole = [resolution, resolution], torch.from_numpy(images[i]).permute(2, 0, 1)
        theirs = resized_crop(whole, top, left, bottom - top, right - left, size, antialias=True).permute(1, 2, 0)
        unmirrored = crop[:, ::-1] if mirrored[i] else crop
        assert np.abs(unmirrored.astype(int) - theirs.numpy()).max() <= 1


@pytest.mark.parametrize("level", [0, 255])
def test_crops_of_black_and_white_images_stay_black_and_white(level: int) -> None:
    images = PackedImages.of([np.full((side, 97, 3), level, dtype=np.uint8) for side in range(1, 98)])
    boxes = np.array([(0, 0, side, side) for side in range(1, 98)])

    assert (resized_crops(images, boxes, np.zeros(97, dtype=bool), 31) == level).all()


@pytest.mark.parametrize(("height", "width"), [(96, 96), (96, 128), (150, 100)])
@pytest.mark.parametrize("crop_scale", [0.08, 0.35])
def test_random_crops_are_distributed_like_torchvisions(height: int, width: int, crop_scale: float) -> None:
    num_crops = 1500
    boxes = random_boxes(np.tile([height, width], (num_crops, 1)), crop_scale, np.random.default_rng(0))
    top, left, bottom, right = boxes.T
    ours = np.stack([left, top, right - left, bottom - top], axis=1)
    torch.manual_seed(0)
    reference = v2.RandomResizedCrop(32, scale=(crop_scale, 1.0))
    params = [reference.make_params([torch.empty(3, height, width)]) for _ in range(num_crops)]
    theirs = np.array([[p[name] for name in ("left", "top", "width", "height")] for p in params])

    for measure in (
        lambda boxes: boxes[:, 2] * boxes[:, 3] / (height * width),
        lambda boxes: np.log(boxes[:, 2] / boxes[:, 3]),
        lambda boxes: boxes[:, 0],
        lambda boxes: boxes[:, 1],
    ):
        assert ks_2samp(measure(ours), measure(theirs)).pvalue > 1e-3
    shares = [boxes[:, 2] * boxes[:, 3] / (height * width) for boxes in (ours, theirs)]
    assert shares[0].min() == pytest.approx(shares[1].min(), abs=0.02)
    assert shares[0].max() == pytest.approx(shares[1].max(), abs=0.03)
    assert (ours >= [0, 0, 1, 1]).all()
    assert (boxes[:, 2:] <= [height, width]).all()


@pytest.mark.parametrize(("height", "width"), [(20, 400), (400, 20), (21, 50), (19, 400)])
def test_image_too_long_for_a_random_crop_is_cropped_like_torchvision(height: int, width: int) -> None:
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    settings = TrainConfig(resolution=16, crop_scale=0.9, hflip=0.0)

    (crop,) = random_resized_crops(
        PackedImages.of([image.permute(1, 2, 0).numpy()]), settings, np.random.default_rng(0)
    )

    theirs = v2.RandomResizedCrop(16, scale=(0.9, 1.0), antialias=True)(image)
    assert (crop.int() - theirs.int()).abs().max() <= 1


def test_compiling_survives_a_full_disk_and_a_damaged_cache_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    for owner, name in ((caching._CacheLocator, "ensure_cache_path"), (caching.IndexDataCacheFile, "save")):
        with monkeypatch.context() as faulty:
            faulty.setattr(owner, name, refuse)
            assert _compiled("(int64,)")(_twice)(3) == 6
    assert not list(tmp_path.rglob("*.nbi"))

    assert _compiled("(int64,)")(_twice)(3) == 6
    (index,) = tmp_path.rglob(f"*{VERSION}*.nbi")
    for content in (b"", b"damaged"):
        index.write_bytes(content)
        assert _compiled("(int64,)")(_twice)(3) == 6


def _twice(number: int) -> int:
    return 2 * number
