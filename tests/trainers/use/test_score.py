"""Scores and confusion matrices equal those of an evaluation with torchvision's transforms and loader."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from trainers.config import TrainConfig
from trainers.datasets.registry import load_dataset
from trainers.errors import ConfigError
from trainers.training.classifier import train_point
from trainers.trial import Point
from trainers.use.matching import match_outputs
from trainers.use.score import evaluate_network, write_confusion
from trainers.weights.checkpoint import BEST
from trainers.weights.network import Network, class_names, load_network, untrained

MakeFolder = Callable[[Mapping[str, int]], Path]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """A network that has learnt some of the digits."""
    config = TrainConfig(num_classes=10, width_mult=0.25, resolution=20, total_stride=8, epochs=2, batch_size=32,
                         optimizer="adamw", lr=0.005, crop_scale=1.0, hflip=0.0, precision="fp32")  # fmt: skip
    point = Point(id="p", config=config, folder=tmp_path_factory.mktemp("point"))
    list(train_point(point))
    return load_network(point.folder / BEST)


@pytest.fixture(scope="module")
def digit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 500 real digits as PNGs and JPEGs of 8 to 200 px, in an image folder."""
    folder = tmp_path_factory.mktemp("digits")
    pixels, labels = load_digits(return_X_y=True)
    sizes = np.random.default_rng(0).integers(8, 201, (500, 2))
    for i, (image, label, size) in enumerate(zip(pixels[:500], labels[:500], sizes, strict=True)):
        place = folder / ("val" if i % 3 else "train") / str(label)
        place.mkdir(parents=True, exist_ok=True)
        grey = Image.fromarray((image.reshape(8, 8) * (255 / 16)).round().astype(np.uint8))
        resized = grey.resize((int(size[0]), int(size[1])), Image.Resampling.BICUBIC)
        resized.save(place / (f"{i:03}.jpg" if i % 2 else f"{i:03}.png"))
    return folder


def plain_evaluation(network: Network, folder: Path) -> tuple[np.ndarray, float]:
    """Return the confusion matrix and the mean loss, computed like torchvision's reference evaluation."""
    config = network.config
    prepare = transforms.Compose(
        [
            transforms.Resize(int(config.resolution / config.crop_share)),
            transforms.CenterCrop(config.resolution),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    confusion, losses = np.zeros((10, 10), dtype=int), []
    with torch.no_grad():
        for images, labels in DataLoader(ImageFolder(str(folder), prepare), batch_size=17):
            logits = network.model(images)
            losses.append(torch.nn.functional.cross_entropy(logits, labels, reduction="none"))
            for label, guess in zip(labels.tolist(), logits.argmax(1).tolist(), strict=True):
                confusion[label, guess] += 1
    return confusion, torch.cat(losses).mean().item()


@pytest.mark.parametrize("batch_size", [None, 7, 64, 1000])
def test_evaluation_equals_that_of_torchvision_for_any_batch_size(
    network: Network, digit_folder: Path, batch_size: int | None
) -> None:
    expected, loss = plain_evaluation(network, digit_folder / "val")

    evaluation = evaluate_network(network, str(digit_folder), batch_size=batch_size)

    assert evaluation.num_images == expected.sum() == 333
    assert evaluation.confusion.numpy().tolist() == expected.tolist()
    assert evaluation.scores.top1 == pytest.approx(100 * expected.trace() / 333)
    assert evaluation.scores.loss == pytest.approx(loss, rel=0.01)  # the pixels differ by a rounding
    assert 30 < evaluation.scores.top1 < 100


def test_every_image_of_any_split_is_counted_once(network: Network) -> None:
    dataset = load_dataset("digits")
    for split in ("val", "test", "train"):
        evaluation = evaluate_network(network, split=split)
        assert evaluation.num_images == evaluation.confusion.sum() == len(dataset.splits[split])
        counts = np.bincount(dataset.splits[split].labels)
        assert evaluation.confusion.sum(dim=1).tolist() == counts.tolist()


def test_the_training_split_is_evaluated_without_augmentation(network: Network) -> None:
    assert evaluate_network(network, split="train").scores == evaluate_network(network, split="train").scores


def last_class_network(*classes: str) -> Network:
    config = TrainConfig(num_classes=len(classes), width_mult=0.1, resolution=32)
    network = untrained(config)
    with torch.no_grad():
        network.model.classifier[1].bias.copy_(torch.arange(len(classes)))  # type: ignore[index, union-attr]
        network.model.classifier[1].weight.zero_()  # type: ignore[index, union-attr]
    return Network(network.model, config, classes)


def test_classes_are_matched_by_name_whatever_their_order(make_folder: MakeFolder) -> None:
    """The network always predicts its last class, cat."""
    folder = make_folder({"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 3})

    evaluation = evaluate_network(last_class_network("dog", "cow", "cat"), str(folder))

    assert evaluation.confusion.tolist() == [[0, 0, 3], [0, 0, 0], [0, 0, 1]]
    assert evaluation.scores.top1 == 25


@pytest.mark.parametrize(
    "counts",
    [
        {"val/cat": 1, "val/dog": 3},
        {"val/cat": 1, "val/dog": 3, "test/owl": 1},
        {"val/cat": 1, "val/dog": 3, "train/dog": 1},
        {"val/cat": 1, "val/dog": 3, "train": 1},
    ],
)
def test_an_evaluation_needs_no_split_but_its_own(make_folder: MakeFolder, counts: dict[str, int]) -> None:
    evaluation = evaluate_network(last_class_network("dog", "cow", "cat"), str(make_folder(counts)))

    assert evaluation.confusion.tolist() == [[0, 0, 3], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"cat": 2, "dog": 2}, "has no folder test/; if cat, dog are its classes, move them into .*/test/"),
        ({"val/cat": 2}, "has no folder test/; lay the images out as .*/test/CLASS/IMAGE"),
        ({"train/cat": 1, "train/dog": 2}, "class 'cat' in .*train has 1 image"),
        ({"test": 2}, "test holds 2 images outside class folders"),
    ],
)
def test_an_evaluation_without_its_split_says_what_it_needs(
    make_folder: MakeFolder, counts: dict[str, int], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        evaluate_network(last_class_network("cat", "dog"), str(make_folder(counts)), "test")


def test_outputs_without_names_are_matched_by_their_number(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 3})

    evaluation = evaluate_network(last_class_network(*class_names(TrainConfig(num_classes=2))), str(folder))

    assert evaluation.confusion.tolist() == [[0, 1], [0, 3]]


WNIDS = ("n01440764", "n02102040", "n02979186")
"""The WordNet ids of three ImageNet classes: tench, English springer and cassette player."""


@pytest.mark.parametrize(
    ("classes", "num_outputs", "places", "note"),
    [
        (WNIDS, 1000, [0, 217, 482], None),
        (("cassette player", "tench"), 1000, [482, 0], None),
        (tuple(map(str, range(1000))), 1000, list(range(1000)), "taken for the outputs of the same numbers, from 0"),
        (("2", "10"), 12, [2, 10], "taken for the outputs of the same numbers, from 0"),
        (("1", "2", "3"), 3, [0, 1, 2], "taken for the classes 1 to 3 in order"),
        (("cat", "dog"), 2, [0, 1], "taken for the classes cat to dog in order"),
        (("output 1",), 2, [1], None),
    ],
)
def test_classes_stand_for_the_outputs_of_a_file_without_names(
    classes: tuple[str, ...], num_outputs: int, places: list[int], note: str | None
) -> None:
    matched, said = match_outputs("d", classes, class_names(TrainConfig(num_classes=num_outputs)))

    assert matched == places
    assert (note in said) if note and said else note is said


def test_classes_match_names_in_another_unicode_form() -> None:
    assert match_outputs("d", ("cafe\u0301", "dog"), ("dog", "caf\xe9")) == ([1, 0], None)
    assert match_outputs("d", ("cafe\u0301", "caf\xe9"), ("caf\xe9", "cafe\u0301")) == ([1, 0], None)


@pytest.mark.parametrize(
    ("classes", "outputs", "message"),
    [
        (
            ("n99999999", "n01440764"),
            class_names(TrainConfig(num_classes=1000)),
            "does not know: n99999999;",
        ),
        (("0", "1"), class_names(TrainConfig(num_classes=1000)), "does not know: 0, 1; it knows tench"),
        (("crane", "b"), ("crane", "crane", "b"), "does not know: crane; it knows crane"),  # a bird and a machine
        (("0", "12"), class_names(TrainConfig(num_classes=12)), "does not know: 0, 12"),
        (("a", "b"), ("a", "\x1b[2J\n"), r"does not know: b; it knows a, \\x1b\[2J\\n$"),
    ],
)
def test_classes_of_no_output_are_named(classes: tuple[str, ...], outputs: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        match_outputs("d", classes, outputs)


def test_an_assumed_order_is_said(make_folder: MakeFolder) -> None:
    said: list[str] = []

    evaluation = evaluate_network(
        last_class_network(*class_names(TrainConfig(num_classes=11))), str(make_folder({"val/10": 2, "val/9": 1})),
        announce=said.append,
    )  # fmt: skip

    assert evaluation.confusion[9].sum() == 1
    assert evaluation.scores.top1 == pytest.approx(200 / 3)
    assert said[1:] == [
        "images: val is read alone; the classes of images are taken for the outputs of the same numbers, from 0"
    ]


def test_state_dict_without_a_dataset_is_not_evaluated(tmp_path: Path) -> None:
    torch.save(untrained(TrainConfig(num_classes=10, width_mult=0.25)).model.state_dict(), tmp_path / "net.pth")

    with pytest.raises(ConfigError, match="does not say what images it was trained on; name a dataset with --data"):
        evaluate_network(load_network(tmp_path / "net.pth"))


def test_error_names_unknown_classes_and_splits(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/cat": 2, "train/dog": 2})

    with pytest.raises(ConfigError, match="does not know: dog; it knows cat, cow"):
        evaluate_network(last_class_network("cat", "cow"), str(folder))
    with pytest.raises(ConfigError, match="images has no test split; it has train, val"):
        evaluate_network(last_class_network("cat", "dog"), str(folder), "test")


def test_confusion_matrix_is_written_with_class_names(tmp_path: Path, network: Network) -> None:
    evaluation = evaluate_network(network)
    write_confusion(tmp_path / "confusion.csv", evaluation, network.classes)

    header, *rows = list(csv.reader((tmp_path / "confusion.csv").open()))
    assert header == ["true class", *"0123456789"]
    assert [[row[0], *map(int, row[1:])] for row in rows] == [
        [str(i), *counts] for i, counts in enumerate(evaluation.confusion.tolist())
    ]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["confusion.csv"]


@pytest.mark.parametrize("place", ["missing/confusion.csv", "."])
def test_error_names_a_confusion_file_that_cannot_be_written(tmp_path: Path, network: Network, place: str) -> None:
    with pytest.raises(ConfigError, match="cannot write "):
        write_confusion(tmp_path / place, evaluate_network(network), network.classes)
