"""Sweeps for the tests of `analysis`: rows as the driver writes them, in the log that it writes."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.published.tables import load_cells
from analysis.results.read import load_table
from analysis.results.schema import COLUMNS, OUTCOMES
from sweep.run.log import ResultsLog
from trainers.config import TrainConfig, as_row

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeSweep = Callable[..., Path]
MakeTable = Callable[[Sequence[Row]], pd.DataFrame]


@pytest.fixture
def make_row() -> MakeRow:
    """Builds the row of an ended point; any column of the results table can be given by name.

    Costs are stand-ins that grow with width and resolution like the real ones; ids count up.
    """
    made = 0

    def make(**given: Any) -> Row:
        nonlocal made
        made += 1
        settings = {"epochs": 3, "width_mult": 0.5, "resolution": 96} | given
        config = TrainConfig(**{f.name: settings[f.name] for f in fields(TrainConfig) if f.name in settings})
        area = (config.width_mult * config.resolution) ** 2
        outcomes = dict.fromkeys(OUTCOMES) | {"top1": 90.0, "top5": 99.0, "epochs_trained": config.epochs}
        row = {
            "point": f"p{made}",
            "state": "COMPLETE",
            "reason": None,
            "restarts": 0,
            **as_row(config),
            "dataset": "digits",
            "fingerprint": "0" * 8,
            "macs": int(6000 * area),
            "num_params": int(3_500_000 * config.width_mult**2),
            "activations": int(140 * config.width_mult * config.resolution**2),
            "num_val": 1000,
            "majority_top1": 12.5,
            **outcomes,
            "reused_from": None,
            "ended_at": 1735689600.0,
        } | given
        return {column: row[column] for column in COLUMNS}

    return make


@pytest.fixture
def make_sweep(tmp_path: Path) -> MakeSweep:
    """Writes rows as the results log of a sweep and returns its folder."""

    def make(rows: Sequence[Row], name: str = "demo") -> Path:
        log = ResultsLog(tmp_path / name)
        for row in rows:
            log.append_result(row)
        log.close()
        return tmp_path / name

    return make


@pytest.fixture
def make_table(make_sweep: MakeSweep) -> MakeTable:
    """Rows as the table that `load_table` reads."""

    def make(rows: Sequence[Row]) -> pd.DataFrame:
        return load_table(make_sweep(rows, "table"))

    return make


@pytest.fixture
def digits_rows(make_row: MakeRow) -> list[Row]:
    """Nine complete points, 3 widths by 3 resolutions."""
    cells = [(w, r) for w in (0.35, 0.5, 1.0) for r in (32, 64, 96)]
    return [make_row(width_mult=w, resolution=r, top1=90 + 8 * w * r / 96) for w, r in cells]


@pytest.fixture
def mixed_rows(make_row: MakeRow) -> list[Row]:
    """22 points: 16 complete, 3 pruned (one before its first epoch), 3 failed."""
    cells = [(w, r) for w in (0.35, 0.5, 0.75, 1.0) for r in (96, 128, 160, 192, 224)] + [(1.3, 224), (1.4, 224)]
    rows = [make_row(width_mult=w, resolution=r, top1=40 + 0.1 * w * r) for w, r in cells]
    for i in (3, 8, 13):
        rows[i] |= {"state": "PRUNED", "reason": "behind the frontier"}
    rows[13] |= {"top1": None, "top5": None}
    for i in (4, 9, 14):
        rows[i] |= {"state": "FAILED", "reason": "the loss is nan", "top1": None, "top5": None}
    return rows


@pytest.fixture
def tf_slim_rows(make_row: MakeRow) -> list[Row]:
    """TF-slim's 22 MobileNetV2 networks, each with TF-slim's own figures, in its order."""
    cells = load_cells("tf_slim").query("model == 'mobilenet_v2'")
    whole = cells[["resolution", "macs", "num_params"]].astype(int)
    rows = cells[["width_mult", "top1", "top5"]].join(whole).to_dict("records")
    return [make_row(dataset="imagenet", **row) for row in rows]
