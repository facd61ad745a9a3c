"""Published tables are read by source, model and network."""

import pandas as pd
import pytest

from analysis.frontier.pareto import pareto_mask
from analysis.published.tables import (
    CELL,
    load_cells,
    load_published,
    load_weight_sharing,
    misprints,
    sources,
)
from trainers.errors import ConfigError

SOURCES = (
    "dli14",
    "mindspore",
    "mmcls",
    "mmpretrain",
    "pengboxiangshang",
    "tf_slim",
    "timm",
    "timm_cpu",
    "torchvision",
)


def test_sources_are_found_by_the_names_of_their_files() -> None:
    assert tuple(sources()) == SOURCES


@pytest.mark.parametrize(
    ("source", "summary"),
    [
        ("mindspore", "mobilenet_v2: 22 networks, 22 top-1 figures"),
        ("mmcls", "mobilenet_v2: 1 network, 1 top-1 figure"),
        (
            "tf_slim",
            "mobilenet_v1, mobilenet_v2, mobilenet_v3_large, mobilenet_v3_small: 42 networks, 47 top-1 figures",
        ),
        (
            "timm_cpu",
            "mobilenet_v1, mobilenet_v2, mobilenet_v3_large, mobilenet_v3_small: 14 networks, 0 top-1 figures",
        ),
    ],
)
def test_source_has_a_summary_of_one_line(source: str, summary: str) -> None:
    assert sources()[source] == summary


@pytest.mark.parametrize("source", ["slim", "", "weight_sharing_anchors"])
def test_unknown_source_is_refused_with_all_sources(source: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown published source '{source}'; choose from dli14, .*torchvision"):
        load_published(source)


@pytest.mark.parametrize(
    ("source", "model", "cells", "on_frontier"),
    [
        ("tf_slim", "mobilenet_v2", 22, 17),
        ("mindspore", "mobilenet_v2", 22, 19),
        ("tf_slim", "mobilenet_v1", 16, 14),
        ("dli14", "mobilenet_v2", 10, 9),
    ],
)
def test_published_frontier_has_the_expected_number_of_points(
    source: str, model: str, cells: int, on_frontier: int
) -> None:
    rows = load_cells(source)
    rows = rows[rows["model"] == model]

    assert len(rows) == cells
    assert pareto_mask(rows["macs"], rows["top1"]).sum() == on_frontier


@pytest.mark.parametrize("source", [s for s in SOURCES if s != "timm_cpu"])
def test_cells_are_one_float_row_per_network(source: str) -> None:
    cells = load_cells(source)

    assert len(cells) > 0
    assert not cells.duplicated(list(CELL)).any()
    assert (cells["precision"] == "float").all()
    assert cells[["macs", "num_params", "top1"]].notna().all(axis=None)


def test_source_without_accuracies_has_no_cells() -> None:
    assert load_cells("timm_cpu").empty


@pytest.mark.parametrize(
    ("source", "cell", "expected"),
    [
        ("tf_slim", ("mobilenet_v2", 0.35, 96, 8), ("mobilenet_v2_0.35_96", 45.5, 70.4)),
        ("tf_slim", ("mobilenet_v3_large", 1.0, 224, 8), ("Large dm=1 (float)", 75.2, None)),
        ("dli14", ("mobilenet_v2", 1.0, 224, 8), ("mobilenetv2-c5e733a8", 72.834, 91.06)),
        ("dli14", ("mobilenet_v2", 0.1, 224, 4), ("mobilenetv2_0.1", 34.896, 56.564)),
        ("torchvision", ("mobilenet_v2", 1.0, 224, 8), ("MobileNet_V2.IMAGENET1K_V2", 72.154, 90.822)),
        ("mindspore", ("mobilenet_v2", 0.1 + 0.25, 96, 8), ("mobilenet_v2_0.35_96", 47.5, 71.3)),
    ],
)
def test_a_network_has_the_best_float_figure_of_its_source(
    source: str, cell: tuple[str, float, int, int], expected: tuple[str, float, float | None]
) -> None:
    row = load_cells(source).set_index(list(CELL)).loc[[(cell[0], round(cell[1], 6), *cell[2:])]].iloc[0]

    assert (row["variant"], row["top1"], None if pd.isna(row["top5"]) else row["top5"]) == expected


@pytest.mark.parametrize(
    ("source", "cell"),
    [
        ("dli14", ("mobilenet_v2", 0.1, 224, 8)),
        ("tf_slim", ("mobilenet_v2", 0.35, 64, 8)),
        ("timm", ("mobilenet_v3_small", 0.5, 224, 8)),
        ("timm", ("mobilenet_v2", 1.1, 224, 8)),
    ],
)
def test_a_network_that_was_not_published_has_no_cell(source: str, cell: tuple[str, float, int, int]) -> None:
    assert cell not in load_cells(source).set_index(list(CELL)).index


def test_misprints_name_source_row_printed_figure_and_truth() -> None:
    rows = misprints()

    assert list(rows.columns) == ["source", "variant", "printed_macs_m", "printed_params_m", "misprint"]
    assert set(rows["source"]) == {"tf_slim"}
    assert len(rows) == 9
    assert rows.set_index("variant").loc["mobilenet_v1_0.25_192", "misprint"] == "34 M MACs is a typo; 30.21 M MACs"


def test_weight_sharing_series_are_of_the_requested_families() -> None:
    both, v2 = load_weight_sharing(["mobilenet_v1", "mobilenet_v2"]), load_weight_sharing(["mobilenet_v2"])

    assert set(both["family"]) == {"MobileNetV1", "MobileNetV2"}
    assert set(v2["family"]) == {"MobileNetV2"}
    assert load_weight_sharing(["mobilenet_v3_small"]).empty
    assert v2.set_index("method").loc["S-Net w1 r224", "macs"] == 301e6
