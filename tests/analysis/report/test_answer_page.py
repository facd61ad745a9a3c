"""The short Markdown page of a sweep, and of a published source."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from analysis.advice.answer import answers
from analysis.published.sweep_results import published_results
from analysis.report.answer_page import answer_page
from analysis.results.settings import by_setting

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[Sequence[Row]], pd.DataFrame]


def test_page_of_a_sweep_mentions_mlflow_and_page_of_a_published_source_does_not(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    swept, published = make_table([make_row()]), published_results("tf_slim").points

    assert "in MLflow, among the artifacts" in answer_page(
        "demo", answers(by_setting(swept), 400), swept, by_setting(swept)
    )
    assert "MLflow" not in answer_page(
        "tf_slim", answers(by_setting(published), 50_000), published, by_setting(published)
    )
