"""The compiled crops against torchvision's, whatever the sizes; what a wrong index would read or write shows."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import resized_crop

from trainers.datasets.dataset import PackedImages
from trainers.datasets.random_crops import resized_crops

SIDES = (1, 2, 7, 40, 223)


@pytest.mark.parametrize("resolution", [1, 8, 33, 75])
def test_crops_are_torchvisions_to_within_a_level(resolution: int) -> None:
    generator = np.random.default_rng(resolution)
    images = [generator.integers(0, 256, (height, width, 3), dtype=np.uint8) for height in SIDES for width in SIDES]
    ends = [[sorted(generator.choice(side + 1, 2, replace=False)) for side in image.shape[:2]] for image in images]
    boxes = np.array([(top, left, bottom, right) for (top, bottom), (left, right) in ends])
    mirrored = generator.random(len(images)) < 0.5

    crops = resized_crops(PackedImages.of(images), boxes, mirrored, resolution)

    for crop, image, (top, left, bottom, right), flip in zip(crops, images, boxes, mirrored, strict=True):
        size = [resolution, resolution]
        whole = torch.from_numpy(image).permute(2, 0, 1)
        theirs = resized_crop(whole, top, left, bottom - top, right - left, size, antialias=True).permute(1, 2, 0)
        difference = crop[:, ::-1] if flip else crop
        assert np.abs(difference.astype(int) - theirs.numpy()).max() <= 1


@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_stay_so(level: int) -> None:
    images = PackedImages.of([np.full((side, 97, 3), level, dtype=np.uint8) for side in range(1, 98)])
    boxes = np.array([(0, 0, side, side) for side in range(1, 98)])

    assert (resized_crops(images, boxes, np.zeros(97, dtype=bool), 31) == level).all()


def test_crops_are_made_where_no_folder_for_compiled_code_may_be_written(tmp_path: Path) -> None:
    """As for a user without a home in a container whose checkout is not theirs; root could write anywhere."""
    blocked = tmp_path / "file"
    blocked.touch()
    code = """
import numba.core.caching as caching
caching._CacheLocator.ensure_cache_path = lambda self: (_ for _ in ()).throw(OSError("read-only file system"))
import numpy as np
from trainers.datasets.dataset import PackedImages
from trainers.datasets.random_crops import resized_crops
images = PackedImages.of([np.full((9, 9, 3), 7, dtype=np.uint8)])
print(resized_crops(images, np.array([[0, 0, 9, 9]]), np.array([False]), 4).mean())
"""
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)

    assert (ran.stdout, ran.stderr) == ("7.0\n", "")
