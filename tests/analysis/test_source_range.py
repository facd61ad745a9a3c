"""The range of the published sources, beside what a few networks give by hand."""

import pandas as pd

from analysis.source_range import source_range

CELL = {"model": "mobilenet_v2", "resolution": 96, "round_nearest": 8}


def cells(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    names = ["source", "width_mult", "macs", "top1"]
    return pd.DataFrame([dict(zip(names, row, strict=True)) | CELL for row in rows])


def test_it_lies_between_the_best_and_the_worst_of_each_shared_network_and_never_falls() -> None:
    found = source_range(
        cells(
            ("a", 0.5, 10, 50), ("b", 0.5, 10, 54),
            ("a", 0.6, 20, 49), ("b", 0.6, 20, 52),  # worse than a cheaper one, in both
            ("a", 0.7, 30, 60), ("b", 0.7, 30, 58),
            ("b", 0.8, 25, 99),  # of one source only
        ),
        "macs",
    )  # fmt: skip

    there, back = found[:, : found.shape[1] // 2], found[:, found.shape[1] // 2 :]
    assert there.tolist() == [[10, 20, 20, 30, 30], [54, 54, 54, 54, 60]]
    assert back.tolist() == [[30, 30, 20, 20, 10], [58, 50, 50, 50, 50]]


def test_one_shared_network_makes_no_area() -> None:
    assert source_range(cells(("a", 0.5, 10, 50), ("b", 0.5, 10, 54), ("a", 0.7, 30, 60)), "macs").size == 0
