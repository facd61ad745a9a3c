"""The embedded default: scikit-learn's copy of the UCI handwritten digits, 1797 real grey images of 8 x 8 px."""

import numpy as np
from sklearn.datasets import load_digits

from trainers.datasets.dataset import Dataset, Pixels, Split, stratified_part


def digits() -> Dataset:
    """Ten digits, 60 % to train on, 20 % to validate and 20 % to test; the parts are fixed and stratified."""
    bunch = load_digits()
    labels = bunch.target.astype(np.int64)
    grey = (bunch.images * (255 / 16)).round().astype(np.uint8)
    images = np.repeat(grey[..., None], 3, axis=-1)  # (N, 8, 8, 3)
    held_out = stratified_part(labels, 0.4, seed=0)
    test = held_out.copy()
    test[held_out] = stratified_part(labels[held_out], 0.5, seed=1)
    masks = {"train": ~held_out, "val": held_out & ~test, "test": test}
    return Dataset(
        name="digits",
        classes=tuple(map(str, range(10))),
        splits={name: _split(images[mask], labels[mask]) for name, mask in masks.items()},
        fingerprint="digits-60-20-20",
        note="8 x 8 px grey images enlarged to each resolution",
    )


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    def decode(i: int, short_side: int) -> Pixels:
        return images[i]

    return Split(labels=labels, decode=decode, in_memory=True)
