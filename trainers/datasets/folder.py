"""Image folders: `PATH/SPLIT/CLASS/IMAGE`, the layout of ImageNet and of torchvision's ImageFolder."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from trainers.datasets.dataset import Dataset, Pixels, Split, SplitName, is_imagenet, stratified_part
from trainers.errors import ConfigError

SPLIT_FOLDERS: dict[SplitName, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("val", "validation", "valid"),
    "test": ("test",),
}
HELD_OUT = 0.1
"""Share of `train/` that validates where there is no validation folder."""


def image_folder(path: Path) -> Dataset:
    """The tree at `path`: `train/` with `val/` (or `validation/`) and `test/`, one folder per class in each.

    Without a validation folder a fixed, stratified tenth of `train/` validates, and the note says so; a `test/` without
    class folders is left out.

    Raises:
        ConfigError: no such folder, no `train/`, no images, a single class, or a class that `train/` does not have.
    """
    folders = {split: _first_folder(path, names) for split, names in SPLIT_FOLDERS.items()}
    train = folders["train"]
    if train is None:
        raise ConfigError(f"{path} has no folder train/; lay the images out as {path}/train/CLASS/IMAGE")
    classes = _class_folders(train)
    notes = ["validated on its own folder" if folders["val"] else f"validated on a stratified {HELD_OUT:.0%} of train/"]
    if folders["test"] is not None and not _class_folders(folders["test"]):
        folders["test"] = None  # as ImageNet's is handed out: unlabelled
        notes.append("test/ has no class folders and is left out")
    entries: list[str] = []
    listed = {split: _list_images(folder, classes, entries) for split, folder in folders.items() if folder is not None}
    _check(train, classes, listed["train"][1])
    if "val" not in listed:
        paths, labels = listed["train"]
        held_out = stratified_part(labels, HELD_OUT, seed=0)
        listed["train"], listed["val"] = _pick(paths, labels, ~held_out), _pick(paths, labels, held_out)
    return Dataset(
        name="imagenet" if is_imagenet(classes) else os.fsencode(path.resolve().name).decode(errors="replace"),
        classes=classes,
        splits={
            split: Split(labels=listed[split][1], decode=Decoder(listed[split][0]), in_memory=False)
            for split in SPLIT_FOLDERS
            if split in listed
        },
        fingerprint=hashlib.sha256(os.fsencode("\n".join(entries))).hexdigest()[:16],
        note="; ".join(notes),
    )


class Decoder:
    """Decodes the image files of one split."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __call__(self, i: int, short_side: int) -> Pixels:
        try:
            with Image.open(self.paths[i]) as image:
                return decode_image(image, short_side)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ConfigError(f"cannot read the image {self.paths[i]!r} ({error}); remove or replace it") from error


def decode_image(image: Image.Image, short_side: int) -> Pixels:
    """Any image that Pillow opens as RGB (H, W, 3), its shorter side reduced to `short_side` px, never enlarged."""
    scale = short_side / min(image.size)
    width, height = (max(short_side, round(side * scale)) for side in image.size)
    image.draft("RGB", (short_side, short_side))  # lets JPEG decode at a fraction of its size, never below the target
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips at 255
        image = Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    image = image.convert("RGBA").convert("RGB") if "transparency" in image.info else image.convert("RGB")
    if scale < 1:
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _first_folder(path: Path, names: tuple[str, ...]) -> Path | None:
    return next((path / name for name in names if (path / name).is_dir()), None)


def _class_folders(folder: Path) -> tuple[str, ...]:
    """The folders in `folder` in order of name, without hidden ones such as `.ipynb_checkpoints`."""
    return tuple(sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith(".")))


def _list_images(folder: Path, classes: tuple[str, ...], entries: list[str]) -> tuple[list[str], np.ndarray]:
    """The images below `folder` with their labels, by class and name; adds the name and size of each to `entries`."""
    unknown = sorted(set(_class_folders(folder)) - set(classes))
    if unknown:
        raise ConfigError(f"{folder} has classes that train/ lacks: {', '.join(unknown[:5])}; remove or rename them")
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        for path, size in sorted(_images_below(folder / name)):
            entries.append(f"{os.path.relpath(path, folder.parent)}\0{size}")
            paths.append(path)
            labels.append(label)
    if not paths:
        raise ConfigError(f"{folder} has no images in class folders; lay them out as {folder}/CLASS/IMAGE or rename it")
    return paths, np.array(labels, dtype=np.int64)


def _images_below(folder: Path) -> Iterator[tuple[str, int]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.lower().endswith(IMG_EXTENSIONS):
                path = os.path.join(parent, name)
                yield path, os.path.getsize(path)


def _check(train: Path, classes: tuple[str, ...], labels: np.ndarray) -> None:
    if len(classes) < 2:
        raise ConfigError(f"{train} has {len(classes)} class folders; a classifier needs 2 or more")
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() < 2:
        name, count = classes[int(counts.argmin())], counts.min()
        raise ConfigError(
            f"class {name!r} in {train} has {count} images ({', '.join(IMG_EXTENSIONS)}); it needs 2 or more"
        )


def _pick(paths: list[str], labels: np.ndarray, mask: np.ndarray) -> tuple[list[str], np.ndarray]:
    return [path for path, chosen in zip(paths, mask, strict=True) if chosen], labels[mask]
