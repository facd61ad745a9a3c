"""Published figures beside a sweep are of its dataset and its networks."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from analysis.published.comparison import add_published, compare
from analysis.results.schema import COLUMNS
from trainers.errors import ConfigError

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]

LEFT_OUT = "Published figures left out: they are ImageNet's, and this sweep is on digits"


@pytest.mark.parametrize(
    ("dataset", "published", "source", "note"),
    [
        ("imagenet", None, "tf_slim", ""),
        ("imagenet", "mindspore", "mindspore", ""),
        ("imagenet", "none", None, ""),
        ("digits", None, None, LEFT_OUT),
        ("digits", "none", None, ""),
        ("digits", "tf_slim", None, LEFT_OUT),
        ("imagenet", "pengboxiangshang", None, "No published figures: pengboxiangshang has none for mobilenet_v2"),
        ("imagenet", "timm_cpu", None, "No published figures: timm_cpu has none for mobilenet_v2"),
    ],
)
def test_source_and_note_follow_the_dataset_and_the_request(
    dataset: str, published: str | None, source: str | None, note: str, make_row: MakeRow, make_table: MakeTable
) -> None:
    comparison = compare(make_table([make_row(dataset=dataset)]), published)

    assert (comparison.source, comparison.note) == (source, note)
    assert comparison.cells.empty == (source is None)


@pytest.mark.parametrize(
    ("models", "cells"),
    [(["mobilenet_v1"], 16), (["mobilenet_v2"], 22), (["mobilenet_v2", "mobilenet_v3_small"], 24)],
)
def test_only_the_swept_models_are_compared(
    models: list[str], cells: int, make_row: MakeRow, make_table: MakeTable
) -> None:
    comparison = compare(make_table([make_row(model=model, dataset="imagenet") for model in models]), None)

    assert len(comparison.cells) == cells
    assert set(comparison.cells["model"]) == set(models)


@pytest.mark.parametrize("published", [None, "tf_slim"])
def test_sweep_of_two_datasets_has_no_published_figures(
    published: str | None, make_row: MakeRow, make_table: MakeTable
) -> None:
    table = make_table([make_row(dataset="imagenet"), make_row(dataset="digits")])

    comparison = compare(table, published)

    assert comparison.source is None
    assert comparison.note.endswith("this sweep is on digits, imagenet")


def test_unknown_source_is_refused(make_row: MakeRow, make_table: MakeTable) -> None:
    with pytest.raises(ConfigError, match="unknown published source 'slim'"):
        compare(make_table([make_row()]), "slim")


@pytest.mark.parametrize("published", [None, "none", "tf_slim"])
def test_empty_table_is_compared_with_nothing(published: str | None) -> None:
    comparison = compare(pd.DataFrame(columns=list(COLUMNS)), published)

    assert comparison.source is None
    assert comparison.cells.empty


@pytest.mark.parametrize(
    ("settings", "published"),
    [
        ({"width_mult": 0.35}, 45.5),
        ({"width_mult": 0.1 + 0.25}, 45.5),
        ({"width_mult": 0.36}, None),
        ({"width_mult": 0.35, "round_nearest": 4}, None),
        ({"width_mult": 0.35, "total_stride": 16}, None),
    ],
)
def test_published_top1_is_added_only_to_an_identical_network(
    settings: dict[str, Any], published: float | None, make_row: MakeRow, make_table: MakeTable
) -> None:
    table = make_table([make_row(dataset="imagenet", top1=46.0, **settings)])

    row = add_published(table, compare(table, None)).iloc[0]

    if published is None:
        assert row[["published_top1", "published_top5", "top1_difference"]].isna().all()
    else:
        assert (row["published_top1"], row["published_top5"], row["top1_difference"]) == (published, 70.4, 0.5)


def test_no_column_is_added_without_a_source(make_row: MakeRow, make_table: MakeTable) -> None:
    table = make_table([make_row()])

    assert list(add_published(table, compare(table, None)).columns) == list(COLUMNS)


def test_published_columns_keep_the_order_of_the_rows(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(dataset="imagenet", resolution=r) for r in (96, 64, 224)]
    rows.append(make_row(dataset="imagenet", state="FAILED", top1=None))
    table = make_table(rows)

    added = add_published(table, compare(table, None))

    assert added["point"].tolist() == table["point"].tolist()
    assert added["published_top1"].fillna(0).tolist() == [51.2, 0, 65.4, 51.2]
    assert pd.isna(added["top1_difference"].iloc[3])
