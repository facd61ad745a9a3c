"""RandomResizedCrop and flip of a batch in compiled code, because calls to PyTorch dominate the time of small crops."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from trainers.config import TrainConfig
from trainers.datasets.dataset import PackedImages

VERSION = hashlib.sha256(Path(__file__).read_bytes() + numba.__version__.encode()).hexdigest()[:8]
"""Hash of this file and of the version of Numba."""


def random_resized_crops(images: PackedImages, config: TrainConfig, generator: np.random.Generator) -> torch.Tensor:
    """Return a random part of each image, resized (B, 3, R, R) and mirrored at random, as torchvision does."""
    boxes = random_boxes(images.sizes, config.crop_scale, generator)
    mirrored = generator.random(len(images)) < config.hflip
    return torch.from_numpy(resized_crops(images, boxes, mirrored, config.resolution)).permute(0, 3, 1, 2)


def random_boxes(sizes: NDArray[np.int64], crop_scale: float, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return random boxes (top, left, bottom, right) (B, 4) in images of height and width `sizes` (B, 2), px.

    A box has `crop_scale` to 1 of the area and an aspect of 3/4 to 4/3. The distribution is that of RandomResizedCrop:
    after ten boxes that do not fit, it takes the largest box of an allowed aspect in the middle of the image.
    """
    shares = generator.uniform(crop_scale, 1.0, (len(sizes), 10))
    log_aspects = generator.uniform(math.log(3 / 4), math.log(4 / 3), shares.shape)
    boxes = np.empty((len(sizes), 4), dtype=np.int64)
    _choose(boxes, sizes, shares, log_aspects, generator.random(sizes.shape))
    return boxes


def resized_crops(
    images: PackedImages, boxes: NDArray[np.int64], mirrored: NDArray[np.bool_], resolution: int
) -> NDArray[np.uint8]:
    """Return the part of each image in `boxes` (top, left, bottom, right) (B, 4), px, resized to (B, R, R, 3).

    Pixels differ by at most one level from an antialiased bilinear resize by torchvision or Pillow: they are averages
    of input pixels with triangular weights, which reach one output pixel, or one input pixel if that is larger, to each
    side, and are rounded once, at the end. The crops in the mask `mirrored` (B,) are flipped.
    """
    crops = np.empty((len(images), resolution, resolution, 3), dtype=np.uint8)
    _fill(crops, images.pixels, images.offsets, images.sizes, boxes, mirrored)
    return crops


def _compiled(signature: str, *, fastmath: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function at once and caches the machine code on disk."""

    def compiled(function: Callable[..., Any]) -> Any:
        # part of the name of the cache file, as Numba may load the file of another version
        function.__qualname__ = f"{function.__name__}-{VERSION}"
        try:
            return njit(signature, fastmath=fastmath, cache=True)(function)
        except Exception:  # no cache folder, a full disk, or any error of a damaged cache file
            return njit(signature, fastmath=fastmath)(function)

    return compiled


@_compiled("(int64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])")
def _choose(
    boxes: NDArray[np.int64],
    sizes: NDArray[np.int64],
    shares: NDArray[np.float64],
    log_aspects: NDArray[np.float64],
    places: NDArray[np.float64],
) -> None:
    """Fill `boxes` from random numbers: area and aspect of ten attempts (B, 10), and place of the box (B, 2)."""
    for i in range(len(boxes)):
        height, width = sizes[i, 0], sizes[i, 1]
        for share, log_aspect in zip(shares[i], log_aspects[i]):  # noqa: B905 # Numba knows no strict
            area, aspect = height * width * share, math.exp(log_aspect)
            h, w = np.rint(math.sqrt(area / aspect)), np.rint(math.sqrt(area * aspect))
            if 0 < h <= height and 0 < w <= width:
                top, left = math.floor(places[i, 0] * (height - h + 1)), math.floor(places[i, 1] * (width - w + 1))
                break
        else:
            h, w = min(height, np.rint(width * 4 / 3)), min(width, np.rint(height * 4 / 3))
            top, left = (height - h) // 2, (width - w) // 2
        boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3] = top, left, top + h, left + w


@_compiled("(int64, int64)")
def _triangles(num_in: int, num_out: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each output pixel the range (R, 2) of its input pixels and their weights (R, K)."""
    scale = num_in / num_out
    reach = max(scale, 1.0)
    ranges = np.empty((num_out, 2), np.int64)
    weights = np.zeros((num_out, math.ceil(2 * reach) + 1), np.float32)
    for i in range(num_out):
        centre = (i + 0.5) * scale
        first, last = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), num_in)
        total = 0.0
        for k in range(last - first):
            weights[i, k] = max(0.0, 1 - abs(first + k + 0.5 - centre) / reach)
            total += weights[i, k]
        for k in range(last - first):
            weights[i, k] /= total
        ranges[i, 0], ranges[i, 1] = first, last
    return ranges, weights


@_compiled("(uint8[:, :, :, ::1], uint8[::1], int64[::1], int64[:, ::1], int64[:, ::1], boolean[::1])", fastmath=True)
def _fill(
    crops_BRRC: NDArray[np.uint8],
    pixels: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    sizes: NDArray[np.int64],
    boxes: NDArray[np.int64],
    mirrored: NDArray[np.bool_],
) -> None:
    """Fill `crops_BRRC`; the average over rows comes first, as its loop follows memory and is vectorised."""
    size = crops_BRRC.shape[1]
    for i in range(len(crops_BRRC)):
        top, left, bottom, right = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        rows, row_weights = _triangles(bottom - top, size)
        columns, column_weights = _triangles(right - left, size)
        line = np.empty((right - left) * 3, np.float32)
        for y in range(size):
            line[:] = 0
            for k in range(rows[y, 1] - rows[y, 0]):
                start = offsets[i] + ((top + rows[y, 0] + k) * sizes[i, 1] + left) * 3
                row = pixels[
                    start : start + len(line)
                ]  # Numba does not vectorise `pixels[start + j]`, whose index might be negative
                weight = row_weights[y, k]
                for j in range(len(line)):
                    line[j] += weight * np.float32(row[j])
            for x in range(size):
                red = green = blue = np.float32(0.5)
                part = line[columns[x, 0] * 3 : columns[x, 1] * 3]
                for k in range(columns[x, 1] - columns[x, 0]):
                    weight = column_weights[x, k]
                    red += weight * part[3 * k]
                    green += weight * part[3 * k + 1]
                    blue += weight * part[3 * k + 2]
                pixel = crops_BRRC[i, y, size - 1 - x if mirrored[i] else x]
                pixel[0], pixel[1], pixel[2] = np.uint8(red), np.uint8(green), np.uint8(blue)
