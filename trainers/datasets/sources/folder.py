"""Image folders: `PATH/SPLIT/CLASS/IMAGE`, the layout of ImageNet and of torchvision's ImageFolder."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import is_normalized, normalize

import numpy as np
from numpy.typing import NDArray

from trainers.datasets.dataset import Dataset, Split, SplitName, dataset_name
from trainers.datasets.pixels.decode import Decoder
from trainers.datasets.pixels.ranges import ranges_entries, ranges_note, ranges_of_files
from trainers.datasets.sources.image_files import folders_in, holds, images_below, images_in, left_out_note
from trainers.datasets.splits import by_split, check_classes, class_order, split_of, unused_note, with_validation
from trainers.errors import ConfigError, counted, printable


@dataclass(frozen=True, eq=False)
class Listing:
    """What the folders of the splits hold."""

    entries: list[str] = field(default_factory=list[str])
    """Path below the dataset, and bytes, of each image, for the fingerprint."""
    left_out: Counter[str] = field(default_factory=Counter[str])
    """Number of files that are no images, by their kind."""
    notes: list[str] = field(default_factory=list[str])


def image_folder(path: Path, only: SplitName | None = None) -> Dataset:
    """Return the dataset in the folder `path`: `train/`, `val/`, `test/` with class folders, by any usual name.

    Without a validation folder a fixed, stratified tenth of `train/` validates, and the note says so; a `test/` without
    class folders is left out. With `only`, the split of this name is listed alone if it has a folder.

    Raises:
        ConfigError: no such folder, no `train/`, no images, a single class, or splits whose class folders differ.
    """
    name_of, others = by_split(folders_in(str(path)), path)
    is_alone = only is not None and (only in name_of or "train" not in name_of)
    first: SplitName = only if only and is_alone else "train"
    if first not in name_of:
        raise _no_split(path, first, [] if name_of else others)
    folders: dict[SplitName, Path] = {
        split: path / name for split, name in name_of.items() if not is_alone or split == first
    }
    classes = _class_folders(folders[first])
    listing = Listing()
    if first != "test" and "test" in folders and not _class_folders(folders["test"]):
        listing.notes.append(f"{folders.pop('test').name}/ has no class folders and is left out")  # as in ImageNet
    listed: dict[SplitName, tuple[list[str], NDArray[np.int64]]] = {
        split: _list_images(folder, folders[first], classes, listing) for split, folder in folders.items()
    }
    ranges = ranges_of_files([path for paths, _ in listed.values() for path in paths])
    splits: dict[SplitName, Split] = {
        split: Split(labels=labels, decode=Decoder(paths, ranges), in_memory=False)
        for split, (paths, labels) in listed.items()
    }
    aside = left_out_note(listing.left_out)
    if is_alone:
        note = f"{first} is read alone"
    else:
        check_classes(folders[first], tuple(map(printable, classes)), splits[first].labels, aside=aside)
        splits, note = with_validation(splits)
    unused = None if is_alone else unused_note([f"{name}/" for name in others])
    return Dataset(
        name=dataset_name(path, classes),
        classes=tuple(map(printable, classes)),
        splits=splits,
        fingerprint=hashlib.sha256(os.fsencode("\n".join(listing.entries + ranges_entries(ranges)))).hexdigest()[:16],
        note="; ".join(filter(None, [note, *listing.notes, unused, aside, ranges_note(ranges)])),
    )


def _no_split(path: Path, split: SplitName, class_folders: Sequence[str]) -> ConfigError:
    """Return the error for a folder without a folder of `split`, with the likeliest remedy."""
    near = [path.parent, *(path / name for name in class_folders)]
    whole = next((folder for folder in near if _has_split(folder, split)), None)
    if whole is not None:
        hint = f"did you mean {printable(str(whole))}?"
    elif class_folders:
        names = printable(", ".join(class_folders[:3])) + (", ..." if len(class_folders) > 3 else "")
        hint = f"if {names} are its classes, move them into {path}/{split}/"
    else:
        hint = f"lay the images out as {path}/{split}/CLASS/IMAGE"
    return ConfigError(f"{path} has no folder {split}/; {hint}")


def _has_split(folder: Path, split: SplitName) -> bool:
    """Whether a folder that can be read has a folder or Parquet shards of `split`."""
    try:
        shards = [path.name.split("-")[0] for path in folder.glob("*-*.parquet")]
        return any(split_of(name) == split for name in [*folders_in(str(folder)), *shards])
    except OSError:
        return False


def _class_folders(folder: Path) -> tuple[str, ...]:
    """Return the names of the visible folders in `folder`, in order.

    Links to `folder` or a folder above are left out, because such a class would hold every image.
    """
    here = os.path.realpath(folder)
    return class_order(name for name in folders_in(str(folder)) if not holds(os.path.realpath(folder / name), here))


def _list_images(
    folder: Path, first: Path, classes: tuple[str, ...], listing: Listing
) -> tuple[list[str], NDArray[np.int64]]:
    """Return paths and labels of the images below `folder`, by class and name; `classes` are those in `first`."""
    own = _class_folders(folder)
    num_loose = sum(1 for _ in images_in(str(folder), listing.left_out))
    if num_loose and not own:
        raise ConfigError(
            f"{folder} holds {counted(num_loose, 'image')} outside class folders; sort them into {folder}/CLASS/ "
            "(docs/datasets.md says how for ImageNet)"
        )
    if num_loose:
        listing.notes.append(f"{counted(num_loose, 'image')} of {folder.name}/ outside class folders left out")
    _check_same_classes(folder, own, first, classes)
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        for path, size in sorted(images_below(str(folder / name), listing.left_out)):
            listing.entries.append(f"{os.path.relpath(path, folder.parent)}\0{size}")
            paths.append(path)
            labels.append(label)
    if not paths:
        aside = left_out_note(listing.left_out)
        raise ConfigError(
            f"{folder} has no images in class folders{f' ({aside})' if aside else ''}; lay them out as "
            f"{folder}/CLASS/IMAGE or rename it"
        )
    return paths, np.array(labels, dtype=np.int64)


def _check_same_classes(folder: Path, own: tuple[str, ...], first: Path, classes: tuple[str, ...]) -> None:
    """Raise a ConfigError unless `own`, the class folders in `folder`, are `classes`, those in `first`."""
    unknown, missing = class_order(set(own) - set(classes)), class_order(set(classes) - set(own))
    alike = {_letters(name): name for name in missing}
    for name in unknown:
        if _letters(name) in alike:
            other = alike[_letters(name)]
            raise ConfigError(
                f"{folder} has the class {_spelled(name)} where {first.name}/ has {_spelled(other)}; rename one of them"
            )
    if unknown:
        names = printable(", ".join(unknown[:5]))
        raise ConfigError(f"{folder} has classes that {first.name}/ lacks: {names}; remove or rename them")
    if missing:
        names = printable(", ".join(missing[:5]))
        raise ConfigError(f"{folder} lacks classes that {first.name}/ has: {names}; add them, empty if need be")


def _letters(name: str) -> str:
    """Return what names have in common that a reader would take for one."""
    return normalize("NFC", name).casefold()


def _spelled(name: str) -> str:
    """Return a name with its Unicode form if it has one, such as `café (Unicode NFD)`."""
    if name.isascii():
        return printable(name)
    return f"{printable(name)} (Unicode {'NFC' if is_normalized('NFC', name) else 'NFD'})"
