"""The range of the published sources, beside what a few networks give by hand and by brute force."""

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


def test_it_lies_between_the_best_and_the_worst_of_each_shared_network_and_never_falls() -> None:
    found = source_range(
        cells(
            ("a", 0.7, 30, 60), ("b", 0.7, 30, 58), ("c", 0.7, 30, 59),
            ("a", 0.5, 10, 50), ("b", 0.5, 10, 54),
            ("a", 0.6, 20, 49), ("b", 0.6, 20, 52),  # worse than a cheaper one, in both
            ("b", 0.8, 25, 99),  # of one source only
        ),
        "macs",
    )  # fmt: skip

    assert found is not None
    assert found.num_sources == 3
    there, back = np.split(found.outline, 2, axis=1)
    assert there.tolist() == [[10, 20, 20, 30, 30], [54, 54, 54, 54, 60]]
    assert back.tolist() == [[30, 30, 20, 20, 10], [58, 50, 50, 50, 50]]


@pytest.mark.parametrize("seed", range(5))
def test_its_edges_are_the_best_within_each_budget(seed: int) -> None:
    """Networks of equal cost and all, in any order."""
    random = np.random.default_rng(seed)
    widths, costs = np.arange(12), random.integers(1, 8, 12)
    of = {(s, w): float(random.integers(40, 80)) for s, w in product("ab", widths)}
    rows = [(s, float(w), float(costs[w]), top1) for (s, w), top1 in of.items()]
    random.shuffle(rows)

    found = source_range(cells(*rows), "macs")

    assert found is not None
    there, back = np.split(found.outline, 2, axis=1)
    for budget in range(costs.min(), costs.max() + 1):
        within = [w for w in widths if costs[w] <= budget]
        assert there[1][there[0] <= budget].max() == max(max(of["a", w], of["b", w]) for w in within)
        assert back[1][back[0] <= budget].max() == max(min(of["a", w], of["b", w]) for w in within)


def test_one_shared_network_makes_no_area() -> None:
    assert source_range(cells(("a", 0.5, 10, 50), ("b", 0.5, 10, 54), ("a", 0.7, 30, 60)), "macs") is None


def test_sources_count_with_what_they_trained_on_imagenet_1k() -> None:
    """Not timm's network that ImageNet-21k came before, at 77.92 %, nor the weights of TF-slim that it has."""
    found = load_every_source(["mobilenet_v3_large"])

    timm = found.loc[(found["source"] == "timm") & (found["width_mult"] == 1) & (found["resolution"] == 224)]
    assert timm["variant"].tolist() == ["mobilenetv3_large_100.ra4_e3600_r224_in1k"]
    assert not found["variant"].str.contains("21k|3rdparty|tf_").any()
