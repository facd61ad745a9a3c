"""Image folders: `PATH/SPLIT/CLASS/IMAGE`, the layout of ImageNet and of torchvision's ImageFolder."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS

from trainers.datasets.dataset import Dataset, Split, SplitName, dataset_name
from trainers.datasets.pixels.decode import Decoder
from trainers.datasets.splits import SPLIT_NAMES, check_classes, with_validation
from trainers.errors import ConfigError, printable


def image_folder(path: Path) -> Dataset:
    """Return the dataset in the folder `path`: `train/`, `val/` (or `validation/`), `test/` with class folders.

    Without a validation folder a fixed, stratified tenth of `train/` validates, and the note says so; a `test/` without
    class folders is left out.

    Raises:
        ConfigError: no such folder, no `train/`, no images, a single class, or splits whose class folders differ.
    """
    folders: dict[SplitName, Path | None] = {split: _first_folder(path, names) for split, names in SPLIT_NAMES.items()}
    train = folders["train"]
    if train is None:
        whole = _first_folder(path.parent, SPLIT_NAMES["train"]) is not None
        hint = f"did you mean {path.parent}?" if whole else f"lay the images out as {path}/train/CLASS/IMAGE"
        raise ConfigError(f"{path} has no folder train/; {hint}")
    classes = _class_folders(train)
    notes: list[str] = []
    if folders["test"] is not None and not _class_folders(folders["test"]):
        folders["test"] = None  # ImageNet's test split has no labels
        notes.append("test/ has no class folders and is left out")
    entries: list[str] = []
    listed: dict[SplitName, Split] = {
        split: _list_images(folder, classes, entries) for split, folder in folders.items() if folder is not None
    }
    check_classes(train, classes, listed["train"].labels, images=f"images ({', '.join(IMG_EXTENSIONS)})")
    splits, note = with_validation(listed)
    return Dataset(
        name=dataset_name(path, classes),
        classes=tuple(map(printable, classes)),
        splits=splits,
        fingerprint=hashlib.sha256(os.fsencode("\n".join(entries))).hexdigest()[:16],
        note="; ".join([note, *notes]),
    )


def _first_folder(path: Path, names: tuple[str, ...]) -> Path | None:
    return next((path / name for name in names if (path / name).is_dir()), None)


def _class_folders(folder: Path) -> tuple[str, ...]:
    """Return the names of the folders in `folder`, in order, without hidden ones such as `.ipynb_checkpoints`.

    Links to `folder` or a folder above are left out too, because such a class would hold every image.
    """
    here = os.path.realpath(folder)
    entries = (e for e in os.scandir(folder) if os.path.isdir(e.path) and not e.name.startswith("."))
    return tuple(sorted(e.name for e in entries if not Path(here).is_relative_to(os.path.realpath(e.path))))


def _list_images(folder: Path, classes: tuple[str, ...], entries: list[str]) -> Split:
    """Return the images below `folder` by class and name; add the name and size of each image to `entries`."""
    own = set(_class_folders(folder))
    unknown, missing = sorted(own - set(classes)), sorted(set(classes) - own)
    if unknown:
        raise ConfigError(f"{folder} has classes that train/ lacks: {', '.join(unknown[:5])}; remove or rename them")
    if missing:
        raise ConfigError(
            f"{folder} lacks classes that train/ has: {', '.join(missing[:5])}; add them, empty if need be"
        )
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        for path, size in sorted(_images_below(folder / name)):
            entries.append(f"{os.path.relpath(path, folder.parent)}\0{size}")
            paths.append(path)
            labels.append(label)
    if not paths:
        raise ConfigError(f"{folder} has no images in class folders; lay them out as {folder}/CLASS/IMAGE or rename it")
    return Split(labels=np.array(labels, dtype=np.int64), decode=Decoder(paths), in_memory=False)


def _images_below(folder: Path) -> Iterator[tuple[str, int]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.lower().endswith(IMG_EXTENSIONS):
                path = os.path.join(parent, name)
                yield path, _size(path)


def _size(path: str) -> int:
    """Return the bytes of a file; 0 if the file cannot be reached, such as a broken link."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
