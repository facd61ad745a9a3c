"""Numbers of images of each class in each split, and whether the splits differ more than chance would explain."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency

from trainers.datasets.dataset import Dataset

MOST_CLASSES = 20
"""Most classes of which each is listed."""
CHANCE = 0.001
"""Probability below which a difference of two splits is no chance."""


def class_lines(dataset: Dataset) -> list[str]:
    """Return a table with the images of each class and split, and a warning for each split that differs from train."""
    counts = class_counts(dataset)
    names = list(dataset.splits)
    rows = [(name, [int(count) for count in counts[:, i]]) for i, name in enumerate(dataset.classes)]
    if len(rows) > MOST_CLASSES:
        smallest = sorted(rows, key=lambda row: row[1][0])
        rows = [smallest[0], smallest[len(smallest) // 2], smallest[-1]]
    longest = max(len(name) for name, _ in rows)
    head = f"images per class ({', '.join(names)})"
    few = "" if len(rows) == len(dataset.classes) else f", the smallest, the median and the largest of {len(counts[0])}"
    listed = [f"  {name:<{longest}} {' '.join(f'{count:7d}' for count in row)}" for name, row in rows]
    return [f"{head}{few}:", *listed, *class_warnings(dataset)]


def class_counts(dataset: Dataset) -> NDArray[np.int64]:
    """Return the number of images of each split and class (splits, K)."""
    num_classes = len(dataset.classes)
    return np.stack([np.bincount(split.labels, minlength=num_classes) for split in dataset.splits.values()])


def class_warnings(dataset: Dataset) -> Iterator[str]:
    """Yield a warning for each split whose mix of classes differs from that of `train` by more than chance."""
    counts = class_counts(dataset)
    shares = counts / counts.sum(axis=1, keepdims=True)
    splits = list(dataset.splits)
    train = splits.index("train")
    for i, name in enumerate(splits):
        pair = counts[[train, i]][:, counts[[train, i]].any(axis=0)]
        if i != train and pair.shape[1] > 1 and _chance_of(pair) < CHANCE:
            worst = int(np.abs(shares[i] - shares[train]).argmax())
            yield (
                f"warning: {name} has another mix of classes than train: {dataset.classes[worst]} is "
                f"{100 * shares[i, worst]:.1f} % of {name} and {100 * shares[train, worst]:.1f} % of train; "
                "accuracies on them cannot be compared"
            )


def _chance_of(pair: NDArray[np.int64]) -> float:
    """Return the probability that two splits (2, K) of one mix of classes differ as much; Pearson's chi-squared."""
    result: Any = chi2_contingency(pair)
    return float(result.pvalue)
