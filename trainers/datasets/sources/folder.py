"""Image folders: `PATH/SPLIT/CLASS/IMAGE`, the layout of ImageNet and of torchvision's ImageFolder."""

import hashlib
import os
from collections import Counter
from pathlib import Path

import numpy as np

from trainers.datasets.dataset import Dataset, Split, SplitName, dataset_name
from trainers.datasets.pixels.decode import Decoder
from trainers.datasets.sources.image_files import folders_in, holds, images_below, left_out_note
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
    left_out: Counter[str] = Counter()
    listed: dict[SplitName, Split] = {
        split: _list_images(folder, classes, entries, left_out)
        for split, folder in folders.items()
        if folder is not None
    }
    check_classes(train, classes, listed["train"].labels, aside=left_out_note(left_out))
    splits, note = with_validation(listed)
    return Dataset(
        name=dataset_name(path, classes),
        classes=tuple(map(printable, classes)),
        splits=splits,
        fingerprint=hashlib.sha256(os.fsencode("\n".join(entries))).hexdigest()[:16],
        note="; ".join(filter(None, [note, *notes, left_out_note(left_out)])),
    )


def _first_folder(path: Path, names: tuple[str, ...]) -> Path | None:
    return next((path / name for name in names if (path / name).is_dir()), None)


def _class_folders(folder: Path) -> tuple[str, ...]:
    """Return the names of the visible folders in `folder`, in order.

    Links to `folder` or a folder above are left out, because such a class would hold every image.
    """
    here = os.path.realpath(folder)
    return tuple(name for name in folders_in(str(folder)) if not holds(os.path.realpath(folder / name), here))


def _list_images(folder: Path, classes: tuple[str, ...], entries: list[str], left_out: Counter[str]) -> Split:
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
        for path, size in sorted(images_below(str(folder / name), left_out)):
            entries.append(f"{os.path.relpath(path, folder.parent)}\0{size}")
            paths.append(path)
            labels.append(label)
    if not paths:
        raise ConfigError(f"{folder} has no images in class folders; lay them out as {folder}/CLASS/IMAGE or rename it")
    return Split(labels=np.array(labels, dtype=np.int64), decode=Decoder(paths), in_memory=False)
