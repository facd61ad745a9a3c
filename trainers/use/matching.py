"""Which output of a network stands for which class of a dataset."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from unicodedata import normalize

from trainers.errors import ConfigError, printable
from trainers.weights.network import imagenet_classes, unnamed

WNIDS = Path(__file__).parents[1] / "datasets" / "imagenet_wnids.txt"
"""The WordNet ids of ImageNet-1k in order, as in LOC_synset_mapping.txt of ILSVRC."""


def match_outputs(dataset: str, classes: Sequence[str], outputs: Sequence[str]) -> tuple[list[int], str | None]:
    """Return the place of each class of `dataset` among `outputs`, and a note if no names say so.

    Names are compared, also WordNet ids with the outputs of an ImageNet network. Classes that are numbers below the
    number of outputs stand for the outputs of these numbers, where the outputs have no such names; and as many classes
    as outputs without names stand in order.

    Raises:
        ConfigError: a class is not among the outputs.
    """
    by_name = _named(outputs)
    places = [by_name.get(name, by_name.get(_composed(name))) for name in classes]
    if None not in places:
        return [place for place in places if place is not None], None
    is_unnamed = tuple(outputs) == unnamed(0, len(outputs))
    numbers = [int(name) for name in classes if name.isascii() and name.isdigit() and int(name) < len(outputs)]
    are_numbers = len(numbers) == len(classes)
    if are_numbers and (is_unnamed or (_is_imagenet(outputs) and len(classes) == len(outputs))):
        return numbers, f"the classes of {dataset} are taken for the outputs of the same numbers, from 0"
    if is_unnamed and len(classes) == len(outputs):
        first, last = printable(classes[0]), printable(classes[-1])
        return list(range(len(outputs))), f"the outputs are taken for the classes {first} to {last} in order"
    raise _unknown(dataset, classes, outputs, by_name)


def _named(outputs: Sequence[str]) -> dict[str, int]:
    """Return the place of each name, in the Unicode form NFC too, and of each WordNet id for an ImageNet network."""
    ids = {name: place for place, name in enumerate(_wnids())} if _is_imagenet(outputs) else {}
    composed = {_composed(name): place for place, name in enumerate(outputs)}
    counts = Counter(outputs)
    unique = {name: place for place, name in enumerate(outputs) if counts[name] == 1}
    return ids | (composed if len(composed) == len(outputs) else {}) | unique


def _is_imagenet(outputs: Sequence[str]) -> bool:
    return len(outputs) == 1000 and tuple(outputs) == imagenet_classes()


def _unknown(dataset: str, classes: Sequence[str], outputs: Sequence[str], by_name: dict[str, int]) -> ConfigError:
    unknown = [name for name in classes if name not in by_name]
    return ConfigError(
        f"{dataset} has classes that the network does not know: {printable(', '.join(unknown[:3]))}; "
        f"it knows {printable(', '.join(outputs[:3]))}{', ...' if len(outputs) > 3 else ''}"
    )


def _composed(name: str) -> str:
    return normalize("NFC", name)


@cache
def _wnids() -> tuple[str, ...]:
    return tuple(WNIDS.read_text().split())
