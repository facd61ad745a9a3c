"""Encoded images to pixels: whatever Pillow opens becomes RGB, reduced to the size that is asked for."""

import errno
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from trainers.datasets.dataset import Pixels
from trainers.errors import UnreadableImageError, one_line, printable

PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)
"""What a system says that is no fault of the image."""


class Decoder:
    """Decodes the image files of one split."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __call__(self, i: int, short_side: int) -> Pixels:
        return decode(self.paths[i], short_side, name=printable(self.paths[i]))


def decode(source: str | IO[bytes], short_side: int, *, name: str) -> Pixels:
    """The image in a file, by `decode_image`.

    Raises:
        UnreadableImageError: it cannot be read; the message calls it `name`.
        OSError, MemoryError: the system cannot read it now.
    """
    try:
        with Image.open(source) as image:
            return decode_image(image, short_side)
    except MemoryError:
        raise
    except Exception as error:  # of a damaged file Pillow's parsers raise what happens to them, even a TypeError
        if isinstance(error, OSError) and error.errno in PASSING:
            raise
        raise UnreadableImageError(name, _reason(error)) from error


def _reason(error: Exception) -> str:
    """What is wrong with an image, without its name."""
    if isinstance(error, UnidentifiedImageError):
        return "no image that Pillow knows"
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(one_line(said)) or type(error).__name__


def decode_image(image: Image.Image, short_side: int) -> Pixels:
    """Any image that Pillow opens as RGB (H, W, 3), its shorter side reduced to `short_side` px, never enlarged.

    The pixels are those of torchvision's `Resize` of the same image; letting libjpeg reduce it first would be faster.
    """
    width, height = (short_side * side // min(image.size) for side in image.size)
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips at 255
        image = Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    image = image.convert("RGBA").convert("RGB") if "transparency" in image.info else image.convert("RGB")
    if short_side < min(image.size):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.array(image)
