"""Decoding of images: every image that Pillow opens becomes RGB pixels, reduced in size."""

import errno
import os
import stat
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from trainers.datasets.dataset import Pixels
from trainers.errors import UnreadableImageError, one_line, printable

Image.init()
NO_IMAGES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
"""Formats of documents, measurements and videos, which Pillow recognises but cannot decode by itself."""
FORMATS = tuple(name for name in Image.ID if name not in NO_IMAGES)
"""The formats of Pillow that are read."""
EXTENSIONS = frozenset(end for end, name in Image.registered_extensions().items() if name in {*FORMATS, "MPO"})
"""Ends of the names of image files, in small letters; Pillow's reader of JPEG reads MPO."""
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)
"""System errors that are no fault of the image."""


class Decoder:
    """Decodes the image files of one split."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __call__(self, i: int, short_side: int) -> Pixels:
        return decode(self.paths[i], short_side, name=printable(self.paths[i]))


def decode(source: str | IO[bytes], short_side: int, *, name: str) -> Pixels:
    """Return the pixels of the image in a regular file; see `decode_image`.

    Raises:
        UnreadableImageError: the image cannot be read; the message calls it `name`.
        OSError, MemoryError: the system cannot read the file now.
    """
    try:
        if isinstance(source, str) and not stat.S_ISREG(os.stat(source).st_mode):  # a pipe would wait for a writer
            raise UnreadableImageError(name, "not a regular file")
        with Image.open(source, formats=FORMATS) as image:
            return decode_image(image, short_side)
    except (MemoryError, UnreadableImageError):
        raise
    except Exception as error:  # a damaged file can make Pillow's parsers raise any error, even a TypeError
        if isinstance(error, OSError) and error.errno in PASSING:
            raise
        raise UnreadableImageError(name, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Return the reason of an error without the name of the image."""
    if isinstance(error, UnidentifiedImageError):
        return "no image that Pillow knows"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(one_line(text)) or type(error).__name__


def decode_image(image: Image.Image, short_side: int) -> Pixels:
    """Return the RGB pixels (H, W, 3) of an image, with a shorter side of at most `short_side` px, never enlarged.

    The pixels equal those of torchvision's `Resize`; a first reduction by libjpeg would be faster but not equal.
    """
    width, height = (short_side * side // min(image.size) for side in image.size)
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips at 255
        image = Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    image = image.convert("RGBA").convert("RGB") if "transparency" in image.info else image.convert("RGB")
    if short_side < min(image.size):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.array(image)
