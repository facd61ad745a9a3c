"""Datasets are read through torchvision, from a few images in the layout of each, whose grey level tells the class."""

import json
import pickle
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image
from torchvision import datasets as torchvision

from trainers.datasets.dataset import SplitName
from trainers.datasets.pixels.cache import cache_folder
from trainers.datasets.registry import canonical, fetch, load_dataset
from trainers.datasets.sources import torchvision_sets
from trainers.datasets.sources.torchvision_sets import TORCHVISION_SETS
from trainers.errors import ConfigError

Labels = Mapping[SplitName, list[int]]


def grey(label: int) -> int:
    return 2 * label + 10


def stack(labels: list[int], *shape: int) -> np.ndarray:
    """Return images (N, *shape), each with the grey level of its label."""
    return np.stack([np.full(shape, grey(label), dtype=np.uint8) for label in labels])


def write_picture(path: Path, label: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 7), (grey(label),) * 3).save(path, **({"quality": 100} if path.suffix == ".jpg" else {}))


def write_lines(path: Path, texts: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(texts) + "\n")


def cifar(folder: str, key: str, names: str) -> Callable[[Path, Labels], None]:
    def write(root: Path, labels: Labels) -> None:
        (root / folder).mkdir()
        count = max(labels["test"]) + 1
        (root / folder / ("batches.meta" if key == "labels" else "meta")).write_bytes(
            pickle.dumps({names: [f"class {i}" for i in range(count)]})
        )
        files = {"train": labels["train"], "test": labels["test"]}
        if key == "labels":
            files = {f"data_batch_{i + 1}": labels["train"][i::5] for i in range(5)} | {"test_batch": labels["test"]}
        for name, file_labels in files.items():
            content = {"data": stack(file_labels, 3 * 32 * 32), key: file_labels}
            (root / folder / name).write_bytes(pickle.dumps(content))

    return write


def mnist(folder: str) -> Callable[[Path, Labels], None]:
    def write(root: Path, labels: Labels) -> None:
        raw = root / folder / "raw"
        raw.mkdir(parents=True)
        for prefix, split_labels in (("train", labels["train"]), ("t10k", labels["test"])):
            header = struct.pack(">HBBIII", 0, 8, 3, len(split_labels), 28, 28)
            (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + stack(split_labels, 28, 28).tobytes())
            header = struct.pack(">HBBI", 0, 8, 1, len(split_labels))
            (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(header + bytes(split_labels))

    return write


def svhn(root: Path, labels: Labels) -> None:
    for name, split_labels in labels.items():
        images = np.moveaxis(stack(split_labels, 32, 32, 3), 0, -1)
        from_one = np.array([label or 10 for label in split_labels])[:, None]
        scipy.io.savemat(root / f"{name}_32x32.mat", {"X": images, "y": from_one})


def stl10(root: Path, labels: Labels) -> None:
    write_lines(root / "stl10_binary/class_names.txt", [f"class {i}" for i in range(10)])
    (root / "stl10_binary/unlabeled_X.bin").touch()
    for name, split_labels in labels.items():
        stack(split_labels, 3, 96, 96).tofile(root / f"stl10_binary/{name}_X.bin")
        np.array([label + 1 for label in split_labels], dtype=np.uint8).tofile(root / f"stl10_binary/{name}_y.bin")


def flowers102(root: Path, labels: Labels) -> None:
    entries = [(split, label) for split in labels for label in labels[split]]
    for i, (_, label) in enumerate(entries):
        write_picture(root / f"flowers-102/jpg/image_{i + 1:05d}.jpg", label)
    ids = {
        name: [i + 1 for i, (image_split, _) in enumerate(entries) if image_split == split]
        for split, name in (("train", "trnid"), ("val", "valid"), ("test", "tstid"))
    }
    scipy.io.savemat(root / "flowers-102/setid.mat", ids)
    scipy.io.savemat(root / "flowers-102/imagelabels.mat", {"labels": [label + 1 for _, label in entries]})


def oxford_iiit_pet(root: Path, labels: Labels) -> None:
    for split, name in (("train", "trainval"), ("test", "test")):
        entries = [(f"breed_{label:02}_{split}{i}", label) for i, label in enumerate(labels[split])]  # type: ignore[index]
        write_lines(
            root / f"oxford-iiit-pet/annotations/{name}.txt", [f"{id_} {label + 1} 1 1" for id_, label in entries]
        )
        for id_, label in entries:
            write_picture(root / f"oxford-iiit-pet/images/{id_}.jpg", label)


def food101(root: Path, labels: Labels) -> None:
    for split, split_labels in labels.items():
        paths: dict[str, list[str]] = {}
        for i, label in enumerate(split_labels):
            paths.setdefault(f"dish_{label:03}", []).append(f"dish_{label:03}/{split}{i}")
            write_picture(root / f"food-101/images/dish_{label:03}/{split}{i}.jpg", label)
        write_lines(root / f"food-101/meta/{split}.json", [json.dumps(paths)])


def dtd(root: Path, labels: Labels) -> None:
    for split, split_labels in labels.items():
        names = [f"texture{label:02}/{split}{i}.jpg" for i, label in enumerate(split_labels)]
        write_lines(root / f"dtd/dtd/labels/{split}1.txt", names)
        for name, label in zip(names, split_labels, strict=True):
            write_picture(root / "dtd/dtd/images" / name, label)


def gtsrb(root: Path, labels: Labels) -> None:
    for i, label in enumerate(labels["train"]):
        write_picture(root / f"gtsrb/GTSRB/Training/{label:05}/{i:05}.ppm", label)
    for i, label in enumerate(labels["test"]):
        write_picture(root / f"gtsrb/GTSRB/Final_Test/Images/{i:05}.ppm", label)
    write_lines(
        root / "gtsrb/GT-final_test.csv",
        ["Filename;ClassId", *(f"{i:05}.ppm;{label}" for i, label in enumerate(labels["test"]))],
    )


def fgvc_aircraft(root: Path, labels: Labels) -> None:
    data = root / "fgvc-aircraft-2013b/data"
    write_lines(data / "variants.txt", [f"Boeing {i}" for i in range(max(labels["train"]) + 1)])
    for split, split_labels in labels.items():
        write_lines(
            data / f"images_variant_{split}.txt",
            [f"{split}{i} Boeing {label}" for i, label in enumerate(split_labels)],
        )
        for i, label in enumerate(split_labels):
            write_picture(data / f"images/{split}{i}.jpg", label)


WRITERS: dict[str, tuple[Callable[[Path, Labels], None], int]] = {
    "cifar10": (cifar("cifar-10-batches-py", "labels", "label_names"), 10),
    "cifar100": (cifar("cifar-100-python", "fine_labels", "fine_label_names"), 100),
    "mnist": (mnist("MNIST"), 10),
    "fashion_mnist": (mnist("FashionMNIST"), 10),
    "svhn": (svhn, 10),
    "stl10": (stl10, 10),
    "flowers102": (flowers102, 102),
    "oxford_iiit_pet": (oxford_iiit_pet, 37),
    "food101": (food101, 5),
    "dtd": (dtd, 5),
    "gtsrb": (gtsrb, 5),
    "fgvc_aircraft": (fgvc_aircraft, 5),
}
"""Writer and number of classes of every dataset; torchvision fixes the number for most."""


@pytest.fixture(autouse=True)
def without_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make torchvision accept files with other checksums than the real ones."""
    for cls in (torchvision.CIFAR10, torchvision.CIFAR100, torchvision.STL10):
        for files in ("train_list", "test_list"):
            monkeypatch.setattr(cls, files, [[name, None] for name, _ in getattr(cls, files)])
        if hasattr(cls, "meta"):
            monkeypatch.setattr(cls, "meta", cls.meta | {"md5": None})
    monkeypatch.setattr(
        torchvision.SVHN, "split_list", {k: [*v[:2], None] for k, v in torchvision.SVHN.split_list.items()}
    )
    monkeypatch.setattr(
        torchvision.Flowers102, "_file_dict", {k: (v[0], None) for k, v in torchvision.Flowers102._file_dict.items()}
    )


def write(name: str, root: Path) -> Labels:
    """Write a dataset with three training, one validation and two test images of every class, in a random order."""
    writer, count = WRITERS[name]
    generator = np.random.default_rng(0)
    repeats: dict[SplitName, int] = {"train": 3, "val": 1, "test": 2}
    labels: Labels = {
        split: generator.permutation(np.repeat(np.arange(count), repeats[split])).tolist()
        for split in TORCHVISION_SETS[name].splits
    }
    root.mkdir(parents=True)
    writer(root, labels)
    return labels


@pytest.mark.parametrize("name", TORCHVISION_SETS)
def test_every_torchvision_dataset_keeps_its_contract(tmp_path: Path, name: str) -> None:
    labels, count = write(name, tmp_path / "root"), WRITERS[name][1]

    dataset = load_dataset(f"{name}:{tmp_path / 'root'}")

    assert dataset.name == name
    assert len(set(dataset.classes)) == len(dataset.classes) == count
    assert list(dataset.splits) == ["train", "val", "test"]
    if "val" in labels:
        assert dataset.sizes == f"{3 * count} train, {count} val, {2 * count} test"
        assert dataset.note == "validated on its own split"
    else:
        assert dataset.sizes == f"{2 * count} train, {count} val, {2 * count} test"
        assert dataset.note == "validated on a stratified 10% of train"
    for split in dataset.splits.values():
        assert split.labels.dtype == np.int64
        assert set(split.labels.tolist()) == set(range(count))
        for i in range(0, len(split), 7):
            image = split.decode(i, 6)
            assert (image.dtype, image.ndim, image.shape[2]) == (np.uint8, 3, 3)
            assert np.unique(image).tolist() == [grey(int(split.labels[i]))]


def test_images_are_neither_flipped_nor_transposed(tmp_path: Path) -> None:
    """STL-10 stores columns before rows, and SVHN stores the images along the last axis."""
    left_dark_right_bright = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, :, None], (32, 32, 3))
    images = np.repeat(left_dark_right_bright[..., None], 30, axis=3)
    for split in ("train", "test"):
        scipy.io.savemat(tmp_path / f"{split}_32x32.mat", {"X": images, "y": np.repeat(np.arange(1, 11), 3)[:, None]})
    (tmp_path / "stl10_binary").mkdir()
    (tmp_path / "stl10_binary/unlabeled_X.bin").touch()
    columns_first = np.broadcast_to(np.arange(96, dtype=np.uint8)[:, None], (30, 3, 96, 96))
    for split in ("train", "test"):
        columns_first.tofile(tmp_path / f"stl10_binary/{split}_X.bin")
        np.repeat(np.arange(1, 11, dtype=np.uint8), 3).tofile(tmp_path / f"stl10_binary/{split}_y.bin")

    for name, side in (("svhn", 32), ("stl10", 96)):
        image = load_dataset(f"{name}:{tmp_path}").splits["train"].decode(0, 256)
        assert np.array_equal(image[..., 0], np.broadcast_to(np.arange(side), (side, side)))


@pytest.mark.parametrize("name", TORCHVISION_SETS)
def test_error_on_missing_files_names_their_folder_and_the_download_flag(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_dataset(f"{name}:{tmp_path}")

    assert str(caught.value).startswith(f"no {name} in {tmp_path} (Dataset not found")
    assert str(tmp_path / TORCHVISION_SETS[name].folder) in str(caught.value)
    assert "--download" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mnist", "MNIST/raw/t10k-images-idx3-ubyte"),
        ("oxford_iiit_pet", "oxford-iiit-pet/images"),
        ("fgvc_aircraft", "fgvc-aircraft-2013b/data/variants.txt"),
        ("gtsrb", "gtsrb/GT-final_test.csv"),
    ],
)
@pytest.mark.parametrize("spoil", [lambda path: path.rename(path.with_name("away")), lambda path: truncate(path)])
def test_error_on_incomplete_files_names_dataset_and_folder(
    tmp_path: Path, name: str, file: str, spoil: Callable[[Path], Any]
) -> None:
    write(name, tmp_path / "root")
    spoil(tmp_path / "root" / file)

    with pytest.raises(ConfigError, match=f"{name} in {tmp_path / 'root'}"):
        load_dataset(f"{name}:{tmp_path / 'root'}")


def truncate(path: Path) -> None:
    for file in [path] if path.is_file() else [*path.iterdir()]:
        if path.is_file():
            file.write_bytes(file.read_bytes()[:11])
        else:
            file.unlink()


def test_fingerprint_depends_on_dataset_and_labels_but_not_on_the_path(tmp_path: Path) -> None:
    for name, root in (
        ("mnist", "a"),
        ("mnist", "b"),
        ("mnist", "c"),
        ("fashion_mnist", "a2"),
        ("dtd", "d"),
        ("dtd", "e"),
    ):
        write(name, tmp_path / root)
    labels = tmp_path / "c/MNIST/raw/train-labels-idx1-ubyte"
    content = labels.read_bytes()
    labels.write_bytes(content[:8] + bytes(reversed(content[8:])))
    write_picture(tmp_path / "e/dtd/dtd/images/texture00/other.jpg", 3)
    (tmp_path / "e/dtd/dtd/labels/val1.txt").write_text(
        (tmp_path / "e/dtd/dtd/labels/val1.txt").read_text() + "texture00/other.jpg\n"
    )

    fingerprints = {
        key: load_dataset(f"{name}:{tmp_path / key}").fingerprint
        for name, key in (
            ("mnist", "a"),
            ("mnist", "b"),
            ("mnist", "c"),
            ("fashion_mnist", "a2"),
            ("dtd", "d"),
            ("dtd", "e"),
        )
    }

    assert fingerprints["a"] == fingerprints["b"]
    assert len(set(fingerprints.values())) == 5


def test_dataset_without_a_path_is_read_from_the_cache_folder(own_cache: Path) -> None:
    write("mnist", own_cache / "datasets")

    assert load_dataset("mnist").name == "mnist"
    assert canonical("mnist") == f"mnist:{cache_folder() / 'datasets'}"
    assert load_dataset("mnist") is load_dataset(canonical("mnist"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("digits", "digits"),
        ("mnist:/data", "mnist:/data"),
        ("mnist:data", "mnist:{cwd}/data"),
        ("mnist:~/data", "mnist:{home}/data"),
        ("images", "{cwd}/images"),
        ("./mnist", "{cwd}/mnist"),
        ("~/images", "{home}/images"),
    ],
)
def test_canonical_data_does_not_depend_on_the_working_folder(data: str, expected: str) -> None:
    assert canonical(data) == expected.format(cwd=Path.cwd(), home=Path.home())
    assert canonical(canonical(data)) == canonical(data)


def test_fetch_downloads_and_load_dataset_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roots: list[str] = []

    def download(self: torchvision.MNIST) -> None:
        roots.append(str(self.root))
        if not Path(self.raw_folder).exists():
            WRITERS["mnist"][0](Path(self.root), {"train": [0, 1] * 10, "test": [0, 1]})

    monkeypatch.setattr(torchvision.MNIST, "download", download)
    with pytest.raises(ConfigError):
        load_dataset(f"mnist:{tmp_path}")
    assert roots == []

    fetch("digits")
    fetch("/no/such/folder")
    fetch(f"mnist:{tmp_path / 'new'}")

    assert set(roots) == {str(tmp_path / "new")}


@pytest.mark.parametrize("error", [OSError("no network"), RuntimeError("File not found or corrupted.")])
def test_error_on_a_failed_download_names_dataset_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torchvision.SVHN, "download", fail)
    with pytest.raises(ConfigError, match=f"cannot download svhn to {tmp_path} .{error}"):
        torchvision_sets.download("svhn", tmp_path)


def test_a_folder_with_the_name_of_a_set_is_pointed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cifar10").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"as cifar10:ROOT, or the folder here as \./cifar10, or have it downloaded"):
        load_dataset("cifar10")
