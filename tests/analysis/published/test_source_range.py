"""The range of published sources equals ranges by hand and by brute force."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from analysis.published.source_range import source_range
from analysis.published.tables import load_every_source

CELL = {"model": "mobilenet_v2", "resolution": 96, "round_nearest": 8}


def cells(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    names = ["source", "width_mult", "macs", "top1"]
    return pd.DataFrame([dict(zip(names, row, strict=True)) | CELL for row in rows])


def test_range_spans_best_and_worst_source_of_each_shared_network_and_never_falls() -> None:
    area = source_range(
        cells(
            ("a", 0.7, 30, 60), ("b", 0.7, 30, 58), ("c", 0.7, 30, 59),
            ("a", 0.5, 10, 50), ("b", 0.5, 10, 54),
            ("a", 0.6, 20, 49), ("b", 0.6, 20, 52),  # worse than a cheaper network in both sources
            ("b", 0.8, 25, 99),  # published by one source only
        ),
        "macs",
    )  # fmt: skip

    assert area is not None
    assert area.num_sources == 3
    upper, lower = np.split(area.outline, 2, axis=1)
    assert upper.tolist() == [[10, 20, 20, 30, 30], [54, 54, 54, 54, 60]]
    assert lower.tolist() == [[30, 30, 20, 20, 10], [58, 50, 50, 50, 50]]


@pytest.mark.parametrize("seed", range(5))
def test_edges_of_the_range_are_the_best_top1_within_each_budget(seed: int) -> None:
    """The networks are shuffled, and some have equal costs."""
    random = np.random.default_rng(seed)
    widths, costs = np.arange(12), random.integers(1, 8, 12)
    top1s = {(s, w): float(random.integers(40, 80)) for s, w in product("ab", widths)}
    rows = [(s, float(w), float(costs[w]), top1) for (s, w), top1 in top1s.items()]
    random.shuffle(rows)

    area = source_range(cells(*rows), "macs")

    assert area is not None
    upper, lower = np.split(area.outline, 2, axis=1)
    for budget in range(costs.min(), costs.max() + 1):
        within = [w for w in widths if costs[w] <= budget]
        assert upper[1][upper[0] <= budget].max() == max(max(top1s["a", w], top1s["b", w]) for w in within)
        assert lower[1][lower[0] <= budget].max() == max(min(top1s["a", w], top1s["b", w]) for w in within)


def test_there_is_no_range_of_a_single_shared_network() -> None:
    assert source_range(cells(("a", 0.5, 10, 50), ("b", 0.5, 10, 54), ("a", 0.7, 30, 60)), "macs") is None


def test_sources_have_only_networks_that_they_trained_on_imagenet_1k() -> None:
    """Timm's network pretrained on ImageNet-21k and timm's copies of TF-slim's weights are left out."""
    rows = load_every_source(["mobilenet_v3_large"])

    timm = rows.loc[(rows["source"] == "timm") & (rows["width_mult"] == 1) & (rows["resolution"] == 224)]
    assert timm["variant"].tolist() == ["mobilenetv3_large_100.ra4_e3600_r224_in1k"]
    assert not rows["variant"].str.contains("21k|3rdparty|tf_").any()
