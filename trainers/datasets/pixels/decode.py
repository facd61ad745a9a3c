"""Decoding of images: every image that Pillow opens becomes upright RGB pixels, reduced in size."""

import errno
import os
import stat
import warnings
from collections.abc import Mapping
from typing import IO

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from trainers.datasets.dataset import Pixels
from trainers.datasets.pixels.lfs_pointer import is_lfs_pointer
from trainers.errors import UnreadableImageError, one_line, printable

Image.init()
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY  # a sound image may carry megabytes of text
warnings.filterwarnings("ignore", message="Corrupt EXIF data")  # tolerated, and there may be thousands
NO_IMAGES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
"""Formats of documents, measurements and videos, which Pillow recognises but cannot decode by itself."""
FORMATS = tuple(name for name in Image.ID if name not in NO_IMAGES)
"""The formats of Pillow that are read."""
EXTENSIONS = frozenset(end for end, name in Image.registered_extensions().items() if name in {*FORMATS, "MPO"})
"""Ends of the names of image files, in small letters; Pillow's reader of JPEG reads MPO."""
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)
"""System errors that are no fault of the image."""
TOO_LARGE = "too large: "
"""Start of the reason for an image that may be sound, but is not decoded because of its size."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by the orientation in its EXIF data."""
Ranges = Mapping[str, tuple[float, float]]
"""The values that become black and white, by the depth of images with more than 8 bits, as `depth` names it."""
DEFAULT_RANGES: Ranges = {"16-bit": (0, 65535), "32-bit": (0, 65535), "float": (0, 255)}
"""The ranges of depths that were not measured."""


class Decoder:
    """Decodes the image files of one split."""

    def __init__(self, paths: list[str], ranges: Ranges = DEFAULT_RANGES) -> None:
        self.paths, self.ranges = paths, ranges

    def __call__(self, i: int, short_side: int) -> Pixels:
        return decode(self.paths[i], short_side, name=printable(self.paths[i]), ranges=self.ranges)


def decode(source: str | IO[bytes], short_side: int, *, name: str, ranges: Ranges = DEFAULT_RANGES) -> Pixels:
    """Return the pixels of the image in a regular file; see `decode_image`.

    Raises:
        UnreadableImageError: the image cannot be read; the message calls it `name`.
        OSError, MemoryError: the system cannot read the file now.
    """
    try:
        if isinstance(source, str) and not stat.S_ISREG(os.stat(source).st_mode):  # a pipe would wait for a writer
            raise UnreadableImageError(name, "not a regular file")
        with Image.open(source, formats=FORMATS) as image:
            return decode_image(image, short_side, ranges)
    except (MemoryError, UnreadableImageError):
        raise
    except Exception as error:  # a damaged file can make Pillow's parsers raise any error, even a TypeError
        if isinstance(error, OSError) and error.errno in PASSING:
            raise
        raise _unreadable(name, source, error) from error


def _unreadable(name: str, source: str | IO[bytes], error: Exception) -> UnreadableImageError:
    """Return the error for an image, with a reason that does not name it."""
    if isinstance(error, UnidentifiedImageError):
        if is_lfs_pointer(source):
            return UnreadableImageError(name, "a Git LFS pointer: run git lfs pull", "fetch it with git lfs pull")
        return UnreadableImageError(name, "no image that Pillow knows")
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    reason = printable(one_line(text)) or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        return UnreadableImageError(name, TOO_LARGE + reason.partition(", could be")[0], "scale it down")
    if "MAX_TEXT" in reason:
        return UnreadableImageError(name, TOO_LARGE + "its text takes more than 64 MB", "remove its text")
    return UnreadableImageError(name, reason)


def decode_image(image: Image.Image, short_side: int, ranges: Ranges = DEFAULT_RANGES) -> Pixels:
    """Return the RGB pixels (H, W, 3) of an image, with a shorter side of at most `short_side` px, never enlarged.

    The image is turned upright. Its pixels equal those of torchvision's `Resize`; a first reduction by libjpeg would be
    faster but not equal.
    """
    image.load()
    orientation = _orientation(image)
    deep = depth(image.mode)
    if deep is not None:
        image = _eight_bits(image, *ranges.get(deep, DEFAULT_RANGES[deep]))
    image = image.convert("RGBA").convert("RGB") if "transparency" in image.info else image.convert("RGB")
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    width, height = (short_side * side // min(image.size) for side in image.size)
    if short_side < min(image.size):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.array(image)


def depth(mode: str) -> str | None:
    """Return how the values of a mode of Pillow are stored, if in more than 8 bits: `16-bit`, `32-bit` or `float`."""
    if mode == "F":
        return "float"
    return ("32-bit" if mode == "I" else "16-bit") if mode.startswith("I") else None


def _orientation(image: Image.Image) -> int:
    """Return the orientation in the EXIF data of a loaded image; 1, which is upright, if the data are damaged."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow's parser raises any error
        return 1


def _eight_bits(image: Image.Image, low: float, high: float) -> Image.Image:
    """Return a grey image whose black is `low` and whose white is `high` in `image`."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), nan=low, posinf=high, neginf=low)
    return Image.fromarray(np.rint((values - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8))
