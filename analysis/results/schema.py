"""The schema of a sweep's logs: their names, their columns, what each column may hold, and the outcome of a point.

`results.jsonl` has one row per ended point, `measurements.jsonl` one per point and epoch. A point that ended more than
once (failed, then run again) counts with its last row. Both are read by pandas in one call:
`pandas.read_json("runs/NAME/results.jsonl", lines=True)`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from analysis.results.json_lines import (
    COUNT,
    KINDS,
    NAME,
    NUMBER,
    PERCENT,
    POSITIVE,
    POSITIVE_COUNT,
    TEXT,
    TIME,
    Column,
    Kind,
    columns_of,
    one_of,
)
from trainers.config import TrainConfig, names_of
from trainers.trial import Measurement
from trainers.values import field_names, row_type

RESULTS = "results.jsonl"
MEASUREMENTS = "measurements.jsonl"
LATENCIES = "latency.jsonl"
"""In a sweep's folder: a row for each point, device and number of threads that was asked for."""
State = Literal["COMPLETE", "PRUNED", "FAILED"]

SETTINGS = tuple(field_names(TrainConfig))
"""The columns that say what was trained."""
SAME = names_of(TrainConfig, "network", "schedule", "training")
"""What the points of one setting share, beside their images and their costs; where the images lie decides nothing."""
OUTCOMES = (
    "top1",
    "top5",
    "val_loss",
    "best_epoch",
    "raw_top1",
    "final_top1",
    "final_top5",
    "final_val_loss",
    "final_train_loss",
    "test_top1",
    "test_top5",
    "test_loss",
    "epochs_trained",
    "train_seconds",
    "images_per_second",
    "device",
    "parts",
)
COLUMNS = (
    "point",
    "state",
    "reason",
    "restarts",
    *SETTINGS,
    "dataset",
    "fingerprint",
    "macs",
    "num_params",
    "activations",
    *OUTCOMES,
    "reused_from",
    "ended_at",
)
"""The columns of the results table, in order."""
NEEDED = ("point", "state", "model", "width_mult", "resolution", "dataset", "macs", "num_params")
"""The columns that no row lacks, of whichever version; an earlier one may lack others."""
TEXTS = ("reason", "dataset", "fingerprint", "device", "reused_from")
COUNTS = ("restarts", "best_epoch", "epochs_trained", "parts")


def _kind(column: str) -> Kind:
    """What a column of the results table may hold."""
    if column in ("macs", "num_params", "activations", "resolution"):
        return POSITIVE_COUNT
    if column == "width_mult":
        return POSITIVE
    if column.endswith("_at"):
        return TIME
    if column in SETTINGS:
        return KINDS[row_type(TrainConfig, column)]
    if "top" in column:
        return PERCENT
    return TEXT if column in TEXTS else COUNT if column in COUNTS else NUMBER


def _measured(column: Column) -> Column:
    """A field of Measurement, with what its type does not say."""
    kinds = {"point": NAME, "measured_at": TIME}
    return replace(column, kind=PERCENT if "top" in column.name else kinds.get(column.name, column.kind))


ROW = [
    Column("point", NAME, needed=True),
    Column("state", one_of(get_args(State)), needed=True),
    *(Column(name, _kind(name), needed=name in NEEDED) for name in COLUMNS[2:]),
]
MEASURED = [_measured(column) for column in columns_of(Measurement)]


def outcome(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """The OUTCOMES of a point from its measurements in the order of epochs; None where nothing was measured.

    `top1`, `top5` and `val_loss` belong to the best epoch (the first of the highest top-1), whose checkpoint is the
    one to ship; `final_*` to the last.
    """
    if not measurements:
        return dict.fromkeys(OUTCOMES) | {"epochs_trained": 0}
    best = max(measurements, key=lambda m: m.top1)  # the first of the maxima
    last = measurements[-1]
    return {
        "top1": best.top1,
        "top5": best.top5,
        "val_loss": best.val_loss,
        "best_epoch": best.epoch,
        "raw_top1": best.raw_top1,
        "final_top1": last.top1,
        "final_top5": last.top5,
        "final_val_loss": last.val_loss,
        "final_train_loss": last.train_loss,
        "test_top1": last.test_top1,
        "test_top5": last.test_top5,
        "test_loss": last.test_loss,
        "epochs_trained": last.epoch,
        "train_seconds": last.train_seconds,
        "images_per_second": sum(m.images_per_second for m in measurements) / len(measurements),
        "device": last.device,
        "parts": last.parts,
    }
