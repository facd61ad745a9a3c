"""The embedded digits have fixed splits, and every registered dataset keeps the contract of datasets."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from trainers.datasets.dataset import Dataset, stratified_part
from trainers.datasets.registry import DATASETS, load_dataset
from trainers.datasets.sources.digits import digits
from trainers.errors import ConfigError


def pixels(dataset: Dataset, split: str) -> list[bytes]:
    images = dataset.splits[split]  # type: ignore[index]
    return [images.decode(i, 32).tobytes() for i in range(len(images))]


@pytest.mark.parametrize("name", DATASETS)
def test_dataset_keeps_its_contract(name: str) -> None:
    dataset = load_dataset(name)

    assert dataset.name == name
    assert {"train", "val"} <= set(dataset.splits) <= {"train", "val", "test"}
    assert len(set(dataset.classes)) == len(dataset.classes) >= 2
    assert dataset.fingerprint == DATASETS[name]().fingerprint
    assert dataset.sizes.startswith(f"{len(dataset.splits['train'])} train, {len(dataset.splits['val'])} val")
    for split in dataset.splits.values():
        assert split.labels.dtype == np.int64
        assert set(split.labels.tolist()) <= set(range(len(dataset.classes)))
        for i in (0, len(split) - 1):
            image = split.decode(i, 16)
            assert image.dtype == np.uint8
            assert image.ndim == 3
            assert image.shape[2] == 3
            assert np.array_equal(image, split.decode(i, 16))


def test_digits_are_split_60_20_20() -> None:
    assert digits().sizes == "1078 train, 360 val, 359 test"


def test_every_digit_is_in_exactly_one_split() -> None:
    dataset = digits()
    labelled = Counter(
        (content, int(label))
        for name, split in dataset.splits.items()
        for content, label in zip(pixels(dataset, name), split.labels, strict=True)
    )
    bunch = load_digits()
    grey = np.repeat((bunch.images * (255 / 16)).round().astype(np.uint8)[..., None], 3, axis=-1)

    assert labelled == Counter((image.tobytes(), int(label)) for image, label in zip(grey, bunch.target, strict=True))


@pytest.mark.parametrize(("split", "share"), [("train", 0.6), ("val", 0.2), ("test", 0.2)])
def test_every_split_has_its_share_of_every_digit(split: str, share: float) -> None:
    counts = np.bincount(digits().splits[split].labels)  # type: ignore[index]
    expected = share * np.bincount(load_digits().target)

    assert np.abs(counts - expected).max() <= 1


def test_digits_of_a_split_never_change() -> None:
    assert pixels(digits(), "val") == pixels(digits(), "val")
    assert digits().splits["val"].labels[:12].tolist() == [0, 1, 0, 2, 4, 7, 0, 3, 5, 8, 9, 8]


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ([10, 20, 30], 0.1, [1, 2, 3]),
        ([10, 20, 30], 0.5, [5, 10, 15]),
        ([2, 3, 4], 0.1, [1, 1, 1]),
        ([2, 3, 4], 0.99, [1, 2, 3]),
        ([1, 2], 0.5, [0, 1]),
    ],
)
def test_stratified_part_takes_its_share_of_each_class_and_leaves_one(
    counts: list[int], share: float, expected: list[int]
) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    mask = stratified_part(labels, share, seed=0)

    assert np.bincount(labels[mask], minlength=len(counts)).tolist() == expected
    assert np.array_equal(mask, stratified_part(labels, share, seed=0))


def test_stratified_part_follows_its_seed() -> None:
    labels = np.repeat([0, 1], 50)

    assert not np.array_equal(stratified_part(labels, 0.5, seed=0), stratified_part(labels, 0.5, seed=1))


@pytest.mark.parametrize("data", ["imagenet", "Digits", "digits:/root", "/no/such/folder", "~/no/such/folder"])
def test_error_on_an_unknown_dataset_lists_the_datasets(data: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_dataset(data)

    assert f"no dataset {data!r}" in str(caught.value)
    assert "digits" in str(caught.value)


def test_file_is_refused_as_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "images.zip").touch()

    with pytest.raises(ConfigError, match="give the path of an image folder"):
        load_dataset(str(tmp_path / "images.zip"))


def test_sizes_name_every_split() -> None:
    dataset = digits()
    without_test = replace(dataset, splits={name: dataset.splits[name] for name in ("train", "val")})

    assert without_test.sizes == "1078 train, 360 val"
