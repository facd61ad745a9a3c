"""The command `list`: prints the names in every registry.

Registries are read from their source, as importing them imports PyTorch, which takes seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.registry import SPACES
from sweep.commands.parse import parse
from sweep.commands.source_docs import registry_docs
from sweep.plan.kinds import SCHEDULERS
from trainers.recipes import RECIPES
from trainers.weights.stated_accuracy import STATED_TOP1, TIMM

PATH = (
    "A folder of images, PATH/train/CLASS/IMAGE, or of Parquet shards, PATH/train-*.parquet; with val (or validation) "
    "and test where there are any."
)


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Name the spaces, models, datasets, trainers, plots and published tables."""


def run(argv: Sequence[str]) -> int:
    """Print every registry, one line for each entry."""
    parse(argv, Arguments, "list")
    for title, entries in sections().items():
        print(title)
        width = max(map(len, entries))
        for name, line in entries.items():
            print(f"  {name:<{width}}  {line}")
    return 0


def sections() -> Mapping[str, Mapping[str, str]]:
    """Return the entries of every registry with one line each, by the title of their section."""
    from analysis.published.tables import misprints, sources

    torchvision_sets = registry_docs("trainers.datasets.sources.torchvision_sets", "TORCHVISION_SETS")
    return {
        "search spaces (--space)": {name: space.doc for name, space in SPACES.items()},
        "recipes (--recipe)": {name: recipe.doc for name, recipe in RECIPES.items()},
        "models (--train.model)": registry_docs("trainers.models.registry", "MODELS"),
        "datasets (--data)": registry_docs("trainers.datasets.registry", "DATASETS")
        | {f"{name}[:ROOT]": doc for name, doc in torchvision_sets.items()}
        | {"PATH": PATH},
        "trainers (--trainer)": registry_docs("trainers.registry", "TRAINERS"),
        "schedulers (--scheduler)": {name: kind.doc for name, kind in SCHEDULERS.items()},
        "published networks": {name: f"{top1:.3f} % top-1 on ImageNet" for name, top1 in STATED_TOP1.items()}
        | {name: f"width {width_mult:g}; where timm is installed" for name, width_mult in TIMM.items()},
        "plots": registry_docs("analysis.plots.registry", "PLOTS"),
        "published tables (--published)": sources(),
        "cells that upstream printed wrong": {
            f"{row['source']} {row['variant']}": row["misprint"] for row in misprints().to_dict("records")
        },
    }
