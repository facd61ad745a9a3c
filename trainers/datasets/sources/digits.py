"""The embedded default: scikit-learn's copy of the UCI handwritten digits, 1797 real grey images of 8 x 8 px."""

from functools import partial
from importlib.metadata import distribution

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.dataset import Dataset, Pixels, Split, SplitName, stratified_part


def digits() -> Dataset:
    """Return the digits in fixed, stratified splits: 60 % `train`, 20 % `val`, 20 % `test`."""
    # scikit-learn's own loader takes a second to import, in every process that trains
    path = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    table = np.loadtxt(str(path), delimiter=",")
    labels = table[:, -1].astype(np.int64)
    grey = (table[:, :-1] * (255 / 16)).round().astype(np.uint8).reshape(-1, 8, 8, 1)  # of 0 to 16
    images = np.repeat(grey, 3, axis=-1)
    held_out = stratified_part(labels, 0.4, seed=0)
    test = held_out.copy()
    test[held_out] = stratified_part(labels[held_out], 0.5, seed=1)
    masks: dict[SplitName, NDArray[np.bool_]] = {"train": ~held_out, "val": held_out & ~test, "test": test}
    return Dataset(
        name="digits",
        classes=tuple(map(str, range(10))),
        splits={
            name: Split(labels=labels[mask], decode=partial(_look_up, images[mask]), in_memory=True)
            for name, mask in masks.items()
        },
        fingerprint="digits-60-20-20",
        note="8 x 8 px grey images enlarged to each resolution",
    )


def _look_up(images: NDArray[np.uint8], i: int, short_side: int) -> Pixels:
    return images[i]
