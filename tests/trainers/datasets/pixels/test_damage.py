"""Damaged images of every kind are left out and named; every image that can be decoded is used."""

import os
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainers.config import TrainConfig
from trainers.datasets.batches.batches import batches
from trainers.datasets.dataset import Dataset, Split
from trainers.datasets.pixels.cache import open_images
from trainers.datasets.pixels.damage import check_images, without_damaged
from trainers.datasets.pixels.decode import Decoder
from trainers.datasets.registry import check_dataset, check_split, load_dataset
from trainers.datasets.splits import Part
from trainers.errors import ConfigError
from trainers.training.classifier import train_point
from trainers.trial import Point
from trainers.use.score import evaluate_network
from trainers.weights.network import Network, untrained

MakeFolder = Callable[[Mapping[str, int]], Path]

NOISE = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16)
NUM_DAMAGED = 500
SETTINGS = TrainConfig(num_classes=2, width_mult=0.1, resolution=8, total_stride=8, epochs=1, batch_size=32)


def encoded(file_format: str, mode: str = "RGB", **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(NOISE).convert(mode).save(file, file_format, **options)
    return file.getvalue()


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def bomb() -> bytes:
    """Return a PNG of 20,000 x 20,000 px, which Pillow refuses to decode."""
    file = BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    return file.getvalue()


def damaged_inside(file_format: str) -> bytes:
    content = bytearray(encoded(file_format))
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    return bytes(content)


DAMAGED: dict[str, bytes | str] = {
    "half-jpeg.jpg": half(encoded("JPEG")),
    "end-cut.jpg": encoded("JPEG")[:-40],
    "half-png.png": half(encoded("PNG")),
    "damaged-inside.png": damaged_inside("PNG"),
    "half-webp.webp": half(encoded("WEBP")),
    "half-bmp.bmp": half(encoded("BMP")),
    "empty.jpeg": b"",
    "zeros.jpg": bytes(len(encoded("JPEG"))),
    "text.jpg": b"no image",
    "bomb.png": bomb(),
    "dangling.jpg": "nowhere.jpg",
    "loop.png": "",
}
"""Contents by file name. A text stands for a link to the named file; an empty text stands for a link to itself."""


def good_images() -> dict[str, bytes]:
    """Return unusual images that can be decoded, by file name."""
    wide, thin, deep, animated, dot = (BytesIO() for _ in range(5))
    Image.new("L", (20_000, 30)).save(wide, "PNG")
    Image.new("RGB", (1, 20_000)).save(thin, "PNG")
    Image.fromarray(RAMP * 257).save(deep, "PNG")
    frames = [Image.fromarray(NOISE), Image.fromarray(255 - NOISE)]
    frames[0].save(animated, "GIF", save_all=True, append_images=frames[1:])
    Image.new("RGB", (1, 1)).save(dot, "JPEG")
    return {
        "plain.jpg": encoded("JPEG"),
        "png-named.jpg": encoded("PNG"),
        "cmyk.jpg": encoded("JPEG", "CMYK"),
        "palette.png": encoded("PNG", "P"),
        "transparent-palette.png": encoded("PNG", "P", transparency=bytes(range(200))),
        "alpha.webp": encoded("WEBP", "RGBA"),
        "16-bit.png": deep.getvalue(),
        "animated-gif-named.png": animated.getvalue(),
        "one-pixel.jpg": dot.getvalue(),
        "wide.png": wide.getvalue(),
        "thin.png": thin.getvalue(),
    }


def write(path: bytes, content: bytes | str) -> None:
    """Write a file, or a link where `content` is text."""
    if isinstance(content, str):
        os.symlink(os.fsencode(content) or os.path.basename(path), path)
    else:
        with open(path, "wb") as file:
            file.write(content)


def spoiled_folder(folder: Path, num_damaged: int) -> tuple[set[bytes], set[bytes]]:
    """Write an image folder with damaged images among good ones, and return the paths of both, good ones first."""
    places = [os.fsencode(folder / split / label) for split in ("train", "val", "test") for label in ("a", "b")]
    for place in places:
        os.makedirs(place)
    good = {os.path.join(place, f"{i}-{name}".encode()) for i in range(3) for place in places for name in good_images()}
    good |= {os.path.join(place, b"caf\xe9.jpg") for place in places}
    contents = good_images() | {"caf\udce9.jpg": encoded("JPEG")}
    for path in good:
        write(path, contents[os.fsdecode(os.path.basename(path)).partition("-")[2] or "caf\udce9.jpg"])
    damaged: set[bytes] = set()
    for i, place, (name, content) in zip(range(num_damaged), cycle(places[::-1]), cycle(DAMAGED.items())):
        path = os.path.join(place, b"caf\xe9-%d-%s" % (i, name.encode()))
        write(path, content)
        damaged.add(path)
    return good, damaged


def files(dataset: Dataset, names: tuple[str, ...] = ("train", "val", "test")) -> list[bytes]:
    """Return the files of the splits `names` in order."""
    paths: list[bytes] = []
    for name in names:
        decode, members = dataset.splits[name].decode, np.arange(len(dataset.splits[name]))  # type: ignore[index]
        while isinstance(decode, Part):
            decode, members = decode.whole, decode.members[members]
        assert isinstance(decode, Decoder)
        paths += [os.fsencode(decode.paths[i]) for i in members]
    return paths


@pytest.fixture
def spoiled(make_folder: MakeFolder) -> Path:
    """An image folder whose first, fourth and sixth image of class `a` are damaged."""
    folder = make_folder({"train/a": 8, "train/b": 8, "val/a": 3, "val/b": 3})
    for i in (0, 3, 5):
        (folder / f"train/a/00{i}.png").write_bytes(b"x" * (folder / f"train/a/00{i}.png").stat().st_size)
    return folder


def test_500_damaged_images_of_12_kinds_are_left_out_and_all_good_ones_used(tmp_path: Path) -> None:
    good, damaged = spoiled_folder(tmp_path / "images", NUM_DAMAGED)
    announced: list[str] = []

    dataset = check_dataset(str(tmp_path / "images"), announced.append)

    left_out = [image for split in dataset.splits.values() for image in split.damaged]
    assert len(DAMAGED) == 12
    assert len(damaged) == NUM_DAMAGED
    assert sorted(image.image for image in left_out) == sorted(p.decode(errors="backslashreplace") for p in damaged)
    assert all(image.image.isascii() and image.reason for image in left_out)
    assert sorted(files(dataset)) == sorted(good)
    assert dataset.note == (
        "validated on its own split; 16-bit images: 0 is black, 65535 is white; 459 damaged images left out; "
        "41 too large images left out"
    )
    total = len(good) + NUM_DAMAGED
    assert announced == [f"checking that the {total} images of images can be read, once on each machine ..."]

    config = replace(SETTINGS, data=str(tmp_path / "images"))
    for name in ("train", "val", "test"):
        split_batches = batches(dataset, name, config, num_workers=0, centred=True)  # type: ignore[arg-type]
        labels = [label for _, batch_labels in split_batches for label in batch_labels.tolist()]
        assert labels == [int(b"/b/" in path) for path in files(dataset, (name,))]
    [measurement] = train_point(Point(id="p", config=config, folder=tmp_path / "p"))
    assert np.isfinite([measurement.train_loss, measurement.val_loss, measurement.test_loss]).all()


@pytest.mark.parametrize("name", DAMAGED)
def test_each_kind_of_damage_has_a_reason_without_the_path(tmp_path: Path, name: str) -> None:
    write(os.fsencode(tmp_path / name), DAMAGED[name])
    split = Split(labels=np.zeros(1, dtype=np.int64), decode=Decoder([str(tmp_path / name)]), in_memory=False)
    dataset = Dataset(name="d", classes=("a",), splits={"val": split}, fingerprint=name, note="")

    check_images(dataset, ["val"], again=False)

    with pytest.raises(ConfigError, match=r"^no image of the val split of d can be read; replace them, from ") as error:
        without_damaged(dataset)
    reason = str(error.value).partition(f"{tmp_path / name} on (")[2].removesuffix(")")
    assert len(reason) > 5
    assert str(tmp_path) not in reason


def test_16_bit_images_use_all_8_bits(tmp_path: Path) -> None:
    (tmp_path / "deep.png").write_bytes(good_images()["16-bit.png"])

    assert (Decoder([str(tmp_path / "deep.png")])(0, 16) == RAMP[..., None]).all()


def test_check_leaves_out_exactly_the_damaged_images(spoiled: Path) -> None:
    assert load_dataset(str(spoiled)).sizes == "16 train, 6 val"

    checked = check_dataset(str(spoiled))

    assert load_dataset(str(spoiled)) is checked
    assert checked.sizes == "13 train, 6 val"
    assert checked.splits["train"].labels.tolist() == [0] * 5 + [1] * 8
    assert [image.index for image in checked.splits["train"].damaged] == [0, 3, 5]
    assert [Path(os.fsdecode(path)).stem for path in files(checked, ("train",))[:5]] == [
        "001",
        "002",
        "004",
        "006",
        "007",
    ]
    whole = Decoder([str(path) for path in sorted((spoiled / "train/a").iterdir())])
    decode = pickle.loads(pickle.dumps(checked.splits["train"].decode))
    assert [decode(i, 8).tolist() for i in range(5)] == [whole(i, 8).tolist() for i in (1, 2, 4, 6, 7)]
    assert checked.splits["val"].damaged == ()
    assert checked.fingerprint == load_dataset(str(spoiled)).fingerprint


def test_images_are_checked_once_and_damaged_ones_again_on_request(
    spoiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_dataset(str(spoiled))
    decode, decoded = Decoder.__call__, list[int]()
    monkeypatch.setattr(Decoder, "__call__", lambda self, i, px: (decoded.append(i), decode(self, i, px))[1])
    announced: list[str] = []

    assert check_dataset(str(spoiled), announced.append).sizes == "13 train, 6 val"
    assert decoded == announced == []
    assert check_dataset(str(spoiled), announced.append, again=True).sizes == "13 train, 6 val"
    assert sorted(decoded) == [0, 3, 5]
    assert announced == []


def test_images_in_memory_need_no_check(own_cache: Path) -> None:
    announced: list[str] = []

    assert check_dataset("digits", announced.append) is load_dataset("digits")
    assert announced == []
    assert not own_cache.exists()


def test_training_without_an_earlier_check_leaves_out_damaged_images(spoiled: Path, tmp_path: Path) -> None:
    [measurement] = train_point(Point(id="p", config=replace(SETTINGS, data=str(spoiled)), folder=tmp_path / "p"))

    assert np.isfinite(measurement.train_loss)
    assert load_dataset(str(spoiled)).sizes == "13 train, 6 val"


def test_check_may_be_of_one_split_alone(spoiled: Path) -> None:
    (spoiled / "val/a/000.png").write_bytes(b"")
    announced: list[str] = []

    assert check_split(str(spoiled), "val", announced.append).sizes == "16 train, 5 val"
    assert check_dataset(str(spoiled), announced.append).sizes == "13 train, 5 val"
    assert [line.split()[3] for line in announced] == ["6", "16"]


def test_repaired_image_is_used_again_with_a_new_cache(spoiled: Path) -> None:
    """The repaired file keeps its size, so that only decoding it again shows the repair."""
    before = check_dataset(str(spoiled))
    images = open_images(before, "train", 8)
    assert all((image == before.splits["train"].decode(i, 8)).all() for i, image in enumerate(images(np.arange(13))))
    path = spoiled / "train/a/003.png"
    size = path.stat().st_size
    content = BytesIO()
    Image.new("RGB", (9, 9), (7, 7, 7)).save(content, "PNG")
    path.write_bytes(content.getvalue().ljust(size, b"\0"))

    assert check_dataset(str(spoiled)).sizes == "13 train, 6 val"
    after = check_dataset(str(spoiled), again=True)
    assert after.sizes == "14 train, 6 val"
    assert after.fingerprint == before.fingerprint
    images = open_images(after, "train", 8)
    arrays = list(images(np.arange(14)))
    assert (arrays[2] == 7).all()
    assert all((image == after.splits["train"].decode(i, 8)).all() for i, image in enumerate(arrays))


def test_a_class_that_loses_every_image_is_refused(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/a": 3, "train/b": 2, "val/a": 1, "val/b": 0})
    for path in ("train/a/000.png", "train/b/000.png", "train/b/001.png"):
        (folder / path).write_bytes(b"")

    for _ in range(2):
        with pytest.raises(
            ConfigError, match=r"no image of class 'b' in the train .*/b/000.png on \(no image that Pill"
        ):
            check_dataset(str(folder))


def test_held_out_part_does_not_depend_on_damage(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/a": 40, "train/b": 40})
    before = load_dataset(str(folder))
    for i in range(1, 40, 2):
        path = folder / f"train/a/{i:03}.png"
        path.write_bytes(b"x" * path.stat().st_size)

    after = check_dataset(str(folder))

    assert set(files(after, ("val",))) < set(files(before, ("val",)))
    assert after.note == "validated on a stratified 10% of train; 20 damaged images left out"


def test_error_names_a_cache_that_cannot_be_written(
    spoiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOBILENET_SWEEP_CACHE", str(tmp_path / "file/cache"))

    with pytest.raises(ConfigError, match=r"cannot check the images of images \(.*MOBILENET_SWEEP_CACHE"):
        check_dataset(str(spoiled))


def test_evaluation_leaves_out_and_counts_damaged_images(spoiled: Path) -> None:
    (spoiled / "val/b/001.png").write_bytes(b"")
    network = Network(untrained(SETTINGS).model, SETTINGS, ("a", "b"))

    evaluation = evaluate_network(network, str(spoiled))

    assert (evaluation.num_images, evaluation.num_damaged) == (5, 1)
    assert evaluation.confusion.sum(dim=1).tolist() == [3, 2]
