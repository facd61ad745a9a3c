"""The entries of a folder that are images: regular files that Pillow reads, in every folder that is not hidden."""

import os
import stat
from collections import Counter
from collections.abc import Iterator

from trainers.datasets.pixels.decode import EXTENSIONS
from trainers.errors import counted, printable
from trainers.files import is_hidden

NAMED = 5
"""Number of kinds of files that a note names."""


def folders_in(folder: str) -> list[str]:
    """Return the names of the visible folders in `folder`, in order; links count as what they point to."""
    return sorted(entry.name for entry in os.scandir(folder) if _is_folder(entry) and not is_hidden(entry.name))


def images_below(folder: str, left_out: Counter[str]) -> Iterator[tuple[str, int]]:
    """Yield path and bytes of each image in `folder` and its folders; count other files in `left_out` by their kind.

    Links to folders are followed, but no folder is read twice, and none that holds `folder`.
    """
    top = os.path.realpath(folder)
    waiting, known = [folder], {top}
    while waiting:
        parent = waiting.pop()
        yield from images_in(parent, left_out)
        for name in reversed(folders_in(parent)):
            path = os.path.join(parent, name)
            place = os.path.realpath(path)
            if place not in known and not holds(place, top):
                known.add(place)
                waiting.append(path)


def images_in(folder: str, left_out: Counter[str]) -> Iterator[tuple[str, int]]:
    """Yield path and bytes of each image that lies in `folder` itself; a file that cannot be reached has 0 bytes."""
    for entry in os.scandir(folder):
        if _is_folder(entry):
            continue
        extension = os.path.splitext(entry.name)[1].lower()
        if is_hidden(entry.name):
            left_out["hidden"] += 1
        elif extension not in EXTENSIONS:
            left_out[extension or "no extension"] += 1
        else:
            size = _regular_size(entry.path)
            if size is None:
                left_out["not regular"] += 1
            else:
                yield entry.path, size


def holds(folder: str, path: str) -> bool:
    """Whether `path` is `folder` or lies in it; both are real paths."""
    return os.path.commonpath([folder, path]) == folder


def left_out_note(left_out: Counter[str]) -> str | None:
    """Return a note on the files that are no images, such as `12 files that are no images (.txt, .json) left out`."""
    if not left_out:
        return None
    kinds = [printable(kind) for kind, _ in left_out.most_common(NAMED)]
    more = ", ..." if len(left_out) > NAMED else ""
    verb = "is no image" if left_out.total() == 1 else "are no images"
    return f"{counted(left_out.total(), 'file')} that {verb} ({', '.join(kinds)}{more}) left out"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link to itself is none."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _regular_size(path: str) -> int | None:
    """Return the bytes of a regular file, 0 for a file that cannot be reached, and None for a pipe or a device."""
    try:
        status = os.stat(path)
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else None
