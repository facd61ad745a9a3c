"""Published costs are recomputed: our counts exactly, and printed figures by the rule of their source."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3

from analysis.published.tables import COLUMNS, TABLES, load_published, sources
from trainers.config import TrainConfig
from trainers.models.cost import Cost, cost, count
from trainers.models.mobilenet_v3 import LARGE, SMALL
from trainers.models.registry import MODELS, build_model

ROWS = [
    pytest.param(row, id=f"{source}-{row.variant}-{row.resolution}-{index}".replace(" ", "_"))
    for source in sources()
    for index, row in enumerate(load_published(source).itertuples())
]
NUM_ROWS = {
    "dli14_mobilenet_v2": 12,
    "dli14_mobilenet_v3": 4,
    "mindspore_mobilenet_v2": 22,
    "mmcls_mobilenet_v2": 1,
    "mmpretrain_mobilenet_v3": 6,
    "pengboxiangshang_mobilenet_v3": 3,
    "tf_slim_mobilenet_v1": 16,
    "tf_slim_mobilenet_v2": 22,
    "tf_slim_mobilenet_v3": 9,
    "tf_slim_mobilenet_v3_latency": 27,
    "timm_cpu_latency_mobilenet": 28,
    "timm_mobilenet_v1_v2_v3": 27,
    "torchvision_mobilenet": 7,
    "weight_sharing_anchors": 113,
}


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Counts of a network that a rule for printed figures may use."""

    cost: Cost
    norms: int
    """Number of batch-normalisation channels."""
    features: int
    """Number of inputs of the classifier."""

    @property
    def macs(self) -> int:
        return self.cost.macs

    @property
    def params(self) -> int:
        return self.cost.num_params


Rule = Callable[[Counted, float], bool]


def counts_of(row: Any) -> Counted:
    if "minimalistic" in row.notes:
        return minimalistic(row.model, row.resolution)
    return of_config(
        TrainConfig(
            model=row.model,
            width_mult=row.width_mult,
            resolution=row.resolution,
            round_nearest=row.round_nearest,
            num_classes=1000,
        )
    )


def of_config(config: TrainConfig) -> Counted:
    norms, features = sizes(module_of(replace(config, resolution=224)))  # neither depends on the resolution
    return Counted(cost=cost(config), norms=norms, features=features)


@cache
def module_of(config: TrainConfig) -> nn.Module:
    with torch.device("meta"):
        return build_model(config)


@cache
def minimalistic(model: str, resolution: int) -> Counted:
    """Count TensorFlow's minimalistic V3, without squeeze-excite, h-swish and 5x5 kernels, which is not in MODELS."""
    blocks, last = (LARGE, 1280) if model == "mobilenet_v3_large" else (SMALL, 1024)
    inputs = [16, *(block.out for block in blocks)]
    settings = [
        InvertedResidualConfig(channels, 3, block.expanded, block.out, False, "RE", block.stride, 1, 1.0)
        for channels, block in zip(inputs, blocks, strict=False)
    ]
    with torch.device("meta"):
        module = MobileNetV3(settings, last)
        norms, features = sizes(module)
        return Counted(cost=count(module, resolution), norms=norms, features=features)


def sizes(module: nn.Module) -> tuple[int, int]:
    """Return the number of batch-normalisation channels and the number of inputs of the classifier."""
    norms = sum(layer.num_features for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))
    return norms, [layer.in_features for layer in module.modules() if isinstance(layer, nn.Linear)][-1]


def family(row: Any) -> str:
    return row.model.removesuffix("_large").removesuffix("_small")


MACS_RULES: dict[tuple[str, str], Rule] = {
    ("tf_slim", "mobilenet_v1"): lambda net, printed: printed == round((net.macs + net.norms) / 1e6),
    ("tf_slim", "mobilenet_v2"): lambda net, printed: printed == math.floor(net.macs / 1e6),
    ("tf_slim", "mobilenet_v3"): lambda net, printed: printed == round(net.macs / 1e6),
    ("dli14", "mobilenet_v2"): lambda net, printed: printed == round((net.macs + net.norms) / 1e6, 2),
    ("dli14", "mobilenet_v3"): lambda net, printed: printed == round((net.macs + net.norms) / 1e6, 2),
    ("torchvision", "mobilenet_v2"): lambda net, printed: printed / 1e3 == round(net.macs / 1e9, 3),
    ("torchvision", "mobilenet_v3"): lambda net, printed: printed / 1e3 == round(net.macs / 1e9, 3),
}


def with_running_statistics(net: Counted) -> int:
    """Return TensorFlow's count for V1: shift, mean and variance of each norm but no scale, and a 1001st class."""
    return net.params - 2 * net.norms + 3 * net.norms + net.features + 1


def to_two_digits(net: Counted, printed: float) -> bool:
    return printed == round(net.params / 1e6, 2)


PARAMS_RULES: dict[tuple[str, str], Rule] = {
    ("tf_slim", "mobilenet_v1"): lambda net, printed: printed == round(with_running_statistics(net) / 1e6, 2),
    ("tf_slim", "mobilenet_v2"): lambda net, printed: printed == round((net.params - 2 * net.norms) / 1e6, 2),
    ("tf_slim", "mobilenet_v3"): lambda net, printed: (
        printed in (math.floor(net.params / 1e5) / 10, round(net.params / 1e6, 1))
    ),
    ("dli14", "mobilenet_v2"): lambda net, printed: printed == math.floor(net.params / 1e3) / 1e3,
    ("dli14", "mobilenet_v3"): lambda net, printed: printed == round(net.params / 1e6, 3),
    ("torchvision", "mobilenet_v2"): lambda net, printed: printed == net.params / 1e6,
    ("torchvision", "mobilenet_v3"): lambda net, printed: printed == net.params / 1e6,
    ("mmcls", "mobilenet_v2"): lambda net, printed: printed == round(net.params / 1e6, 1),
    ("mmpretrain", "mobilenet_v3"): to_two_digits,
    ("timm", "mobilenet_v1"): to_two_digits,
    ("timm", "mobilenet_v2"): to_two_digits,
    ("timm", "mobilenet_v3"): to_two_digits,
    ("timm_cpu", "mobilenet_v1"): to_two_digits,
    ("timm_cpu", "mobilenet_v2"): to_two_digits,
    ("timm_cpu", "mobilenet_v3"): to_two_digits,
}
"""How each source prints the parameters of a family; TensorFlow's V3 column is partly cut off, partly rounded."""


def can_be_counted(row: Any) -> bool:
    return not pd.isna(row.macs) or ("minimalistic" in row.notes and row.source == "tf_slim")


def broken_rules(row: Any) -> list[str]:
    """Return the true value, as in the column `misprint`, of every printed figure that breaks its source's rule."""
    if not can_be_counted(row):
        return []
    net, broken = counts_of(row), []
    if not pd.isna(row.printed_macs_m) and not MACS_RULES[row.source, family(row)](net, row.printed_macs_m):
        broken.append(f"{net.macs / 1e6:.2f} M MACs")
    if not pd.isna(row.printed_params_m) and not PARAMS_RULES[row.source, family(row)](net, row.printed_params_m):
        broken.append(f"{net.params / 1e6:.3f} M parameters")
    return broken


def printed(source: str, model: str, column: str) -> pd.DataFrame:
    rows = load_published(source)
    return rows[rows["model"].str.startswith(model) & rows[column].notna() & rows["macs"].notna()]


@pytest.mark.parametrize("row", ROWS)
def test_computed_columns_equal_our_counts(row: Any) -> None:
    if pd.isna(row.macs):
        assert pd.isna(row.num_params)
        assert "not a network of MODELS" in row.notes
    else:
        net = counts_of(row)
        assert (row.macs, row.num_params) == (net.macs, net.params)


@pytest.mark.parametrize("row", ROWS)
def test_misprint_column_states_the_true_values_of_exactly_the_figures_that_break_a_rule(row: Any) -> None:
    broken = broken_rules(row)

    assert (row.misprint != "") == (len(broken) > 0)
    assert all(true_figure in row.misprint for true_figure in broken)


@pytest.mark.parametrize(
    ("rules", "column", "source", "model", "cells", "num_valid"),
    [
        (MACS_RULES, "printed_macs_m", "tf_slim", "mobilenet_v2", 22, 22),
        (PARAMS_RULES, "printed_params_m", "tf_slim", "mobilenet_v2", 22, 22),
        (MACS_RULES, "printed_macs_m", "dli14", "mobilenet_v2", 11, 11),
        (PARAMS_RULES, "printed_params_m", "dli14", "mobilenet_v2", 11, 11),
        (MACS_RULES, "printed_macs_m", "dli14", "mobilenet_v3", 4, 4),
        (PARAMS_RULES, "printed_params_m", "dli14", "mobilenet_v3", 4, 4),
        (MACS_RULES, "printed_macs_m", "torchvision", "mobilenet", 7, 7),
        (PARAMS_RULES, "printed_params_m", "torchvision", "mobilenet", 7, 7),
        (MACS_RULES, "printed_macs_m", "tf_slim", "mobilenet_v1", 16, 11),
        (PARAMS_RULES, "printed_params_m", "tf_slim", "mobilenet_v1", 16, 16),
        (MACS_RULES, "printed_macs_m", "tf_slim", "mobilenet_v3_large", 3, 3),
        (MACS_RULES, "printed_macs_m", "tf_slim", "mobilenet_v3_small", 3, 0),
        (PARAMS_RULES, "printed_params_m", "timm", "mobilenet", 17, 17),
        (PARAMS_RULES, "printed_params_m", "mmpretrain", "mobilenet", 5, 5),
    ],
)
def test_rule_holds_for_the_expected_number_of_cells(
    rules: dict[tuple[str, str], Rule], column: str, source: str, model: str, cells: int, num_valid: int
) -> None:
    rows = list(printed(source, model, column).itertuples())

    assert len(rows) == cells
    assert sum(rules[source, family(row)](counts_of(row), getattr(row, column)) for row in rows) == num_valid


@pytest.mark.parametrize("row", [p for p in ROWS if "macts" in p.values[0].notes])
def test_activations_of_our_networks_equal_those_of_timm(row: Any) -> None:
    """Activations, which timm prints in millions, differ between networks whose parameters agree to two digits."""
    match = re.search(r"macts ([\d.]+)", row.notes)
    assert match is not None
    if not pd.isna(row.macs):
        assert counts_of(row).cost.activations / 1e6 == pytest.approx(float(match[1]), abs=0.0051)


@pytest.mark.parametrize("name", sorted(path.stem for path in TABLES.glob("*.csv")))
def test_table_has_all_its_rows(name: str) -> None:
    assert len(pd.read_csv(TABLES / f"{name}.csv")) == NUM_ROWS[name]


@pytest.mark.parametrize("source", sorted(sources()))
def test_table_is_well_formed(source: str) -> None:
    rows = load_published(source)

    assert tuple(rows.columns) == COLUMNS
    assert set(rows["source"]) == {source}
    assert set(rows["model"]) <= set(MODELS)
    assert set(rows["precision"]) <= {"float", "int8"}
    assert rows["top1"].dropna().between(10, 100).all()
    assert (rows["citation"] != "").all()
    assert ((rows["latency_device"] != "") == rows["latency_ms"].notna()).all()


def test_small_half_width_network_of_timm_has_our_parameters_but_not_our_activations() -> None:
    ours = cost(TrainConfig(model="mobilenet_v3_small", width_mult=0.5, num_classes=1000))
    rows = load_published("timm_cpu").set_index("variant")

    assert round(ours.num_params / 1e6, 2) == rows.loc["mobilenetv3_small_050", "printed_params_m"]
    assert round(ours.activations / 1e6, 2) == 0.79  # timm prints 0.92: its stem keeps 16 channels
    assert pd.isna(rows.loc["mobilenetv3_small_050", "macs"])


def test_latencies_of_pixel_1_agree_between_the_two_tables() -> None:
    accuracies = pd.read_csv(TABLES / "tf_slim_mobilenet_v3.csv").set_index("variant")["latency_ms"]
    latencies = pd.read_csv(TABLES / "tf_slim_mobilenet_v3_latency.csv")
    pixel_1 = latencies[latencies["latency_device"].str.startswith("Pixel 1")].set_index("variant")["latency_ms"]

    assert pixel_1.to_dict() == accuracies.to_dict()
