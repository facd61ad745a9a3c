"""The lines that `list` reads from source files agree with the registries."""

from analysis.plots.registry import PLOTS
from sweep.commands.list import sections
from trainers.datasets.registry import DATASETS
from trainers.datasets.sources.torchvision_sets import TORCHVISION_SETS
from trainers.models.registry import MODELS
from trainers.registry import TRAINERS
from trainers.weights.published import PUBLISHED, TIMM


def first_lines(functions: dict[str, object]) -> dict[str, str]:
    return {name: (function.__doc__ or "").splitlines()[0] for name, function in functions.items()}


def test_docstrings_read_from_source_agree_with_the_registries() -> None:
    printed = sections()

    assert printed["models (--train.model)"] == first_lines(dict(MODELS))
    assert printed["trainers (--trainer)"] == {name: trainer.doc for name, trainer in TRAINERS.items()}
    drawn = {name: plot.description for name, plot in PLOTS.items()}  # the tests of this package draw few charts
    assert drawn.items() <= printed["plots"].items()
    datasets = first_lines(dict(DATASETS)) | {f"{name}[:ROOT]": known.doc for name, known in TORCHVISION_SETS.items()}
    assert {name: line for name, line in printed["datasets (--data)"].items() if name != "PATH"} == datasets


def test_published_networks_are_listed_with_their_accuracy() -> None:
    printed = sections()["published networks"]

    assert list(printed) == [*PUBLISHED, *TIMM]
    assert all(printed[name] == f"{known.top1:.3f} % top-1 on ImageNet" for name, known in PUBLISHED.items())
