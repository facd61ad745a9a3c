"""The range of values of images with more than 8 bits: measured on a fixed sample of a dataset's images, not on each.

The modes of Pillow do not say how many of 16 or 32 bits are used, or whether 1 or 255 is white.
"""

import os
from collections.abc import Iterable, Sequence
from io import BytesIO

import numpy as np
from PIL import Image

from trainers.datasets.pixels.decode import DEFAULT_RANGES, FORMATS, Ranges, depth

DEEP = tuple(
    end
    for end, name in Image.registered_extensions().items()
    if name in {"PNG", "TIFF", "PPM", "JPEG2000", "FITS", "IM"}
)
"""Ends of the names of files that may have more than 8 bits."""
NUM_OPENED = 256
"""Number of files whose mode is looked at."""
NUM_MEASURED = 32
"""Number of images of each depth whose values are measured."""
WHITES = (1, 255, 1023, 4095, 16383, 65535)
"""The usual values of white."""
OVERSHOOT = 1.1
"""How far values of type float may lie beyond white, as resampling makes them."""


def ranges_of_files(paths: Sequence[str]) -> Ranges:
    """Return the range of each depth that a fixed sample of image files has; a pure function of the files."""
    deep = [path for path in paths if path.lower().endswith(DEEP)]
    places = np.linspace(0, len(deep) - 1, min(NUM_OPENED, len(deep)), dtype=int).tolist()
    return measured_ranges(deep[i] for i in places if os.path.isfile(deep[i]))


def measured_ranges(sources: Iterable[str | BytesIO]) -> Ranges:
    """Return the range of each depth among images; damaged images do not count."""
    measured: dict[str, list[tuple[float, float]]] = {}
    for source in sources:
        try:
            with Image.open(source, formats=FORMATS) as image:
                kind = depth(image.mode)
                if kind is not None and len(measured.get(kind, [])) < NUM_MEASURED:
                    measured.setdefault(kind, []).append(_extremes(image))
        except Exception:  # a damaged image makes Pillow raise any error; the check for damage names it
            continue
    return {kind: _range(kind, float(np.min(ends)), float(np.max(ends))) for kind, ends in measured.items()}


def ranges_note(ranges: Ranges) -> str | None:
    """Return a note such as `16-bit images: 0 is black, 4095 is white`; None without such images."""
    texts = [f"{kind} images: {low:g} is black, {high:g} is white" for kind, (low, high) in sorted(ranges.items())]
    return "; ".join(texts) or None


def ranges_entries(ranges: Ranges) -> list[str]:
    """Return texts for the fingerprint of a dataset: the ranges that are not the default."""
    unusual = {kind: ends for kind, ends in ranges.items() if ends != DEFAULT_RANGES[kind]}
    return [f"{kind}\0{low:g}\0{high:g}" for kind, (low, high) in sorted(unusual.items())]


def _extremes(image: Image.Image) -> tuple[float, float]:
    values = np.asarray(image)
    finite = values[np.isfinite(values)]
    return float(finite.min()), float(finite.max())


def _range(kind: str, low: float, high: float) -> tuple[float, float]:
    """Return black and white: 0 and a usual white that the values come near, else the extreme values themselves."""
    tolerance = OVERSHOOT if kind == "float" else 1
    if low < -(OVERSHOOT - 1) * high:
        return low, max(high, low + 1e-6)
    white = next((white for white in WHITES if high <= tolerance * white), high)
    return 0, white if high >= white / 4 else high or 1
