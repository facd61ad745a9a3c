"""The plan shows the images of each class and split, and warns where the splits differ by more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from sweep.plan.class_balance import class_lines
from trainers.datasets.dataset import Dataset, Split, SplitName
from trainers.datasets.sources.digits import digits


def dataset_of(counts: Mapping[SplitName, Sequence[int]], classes: tuple[str, ...] = ("bag", "shoe")) -> Dataset:
    """Return a dataset with these numbers of images of each class in each split."""
    splits = {name: Split(np.repeat(np.arange(len(row)), row), digits().splits["val"].decode, True)
              for name, row in counts.items()}  # fmt: skip
    return replace(digits(), classes=classes, splits=splits)


def test_each_class_has_a_line_with_its_images() -> None:
    assert class_lines(dataset_of({"train": (90, 10), "val": (9, 1), "test": (18, 2)})) == [
        "images per class (train, val, test):",
        "  bag       90       9      18",
        "  shoe      10       1       2",
    ]


def test_of_many_classes_three_are_listed() -> None:
    names = tuple(f"c{i}" for i in range(101))

    lines = class_lines(dataset_of({"train": range(1, 102), "val": [1] * 101}, names))

    assert lines[0] == "images per class (train, val), the smallest, the median and the largest of 101:"
    assert [line.split()[0] for line in lines[1:4]] == ["c0", "c50", "c100"]


@pytest.mark.parametrize(
    ("val", "warned"),
    [((920, 80), True), ((800, 200), False), ((790, 210), False), ((8, 2), False), ((10, 0), False), ((0, 30), True)],
)
def test_a_split_with_another_mix_of_classes_is_a_warning(val: tuple[int, int], warned: bool) -> None:
    lines = class_lines(dataset_of({"train": (1600, 400), "val": val}))

    assert any(line.startswith("warning: val has another mix of classes than train: ") for line in lines) is warned


def test_the_warning_names_the_class_that_differs_most() -> None:
    lines = class_lines(dataset_of({"train": (1600, 400), "val": (1600, 400), "test": (920, 80)}))

    assert lines[-1] == (
        "warning: test has another mix of classes than train: shoe is 8.0 % of test and 20.0 % of train; accuracies "
        "on them cannot be compared"
    )
