"""Pointers of Git LFS: short texts in place of files that were not fetched. Standard library only."""

import os
from typing import IO

LFS_POINTER = b"version https://git-lfs.github.com/"
"""Start of the text that stands for a file which Git LFS has not fetched."""


def is_lfs_pointer(source: str | IO[bytes]) -> bool:
    """Whether a file holds the text that stands for a file which Git LFS has not fetched."""
    if isinstance(source, str):
        if not os.path.isfile(source):
            return False
        with open(source, "rb") as file:
            return is_lfs_pointer(file)
    source.seek(0)
    return source.read(len(LFS_POINTER)) == LFS_POINTER
