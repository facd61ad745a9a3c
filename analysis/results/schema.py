"""Schema of a sweep's logs: file names, allowed values of each column, and the outcome of a point.

`results.jsonl` has one row per ended point, `measurements.jsonl` one per point and epoch. A point that ended more than
once (failed, then run again) counts with its last row. Both are read by pandas in one call:
`pandas.read_json("runs/NAME/results.jsonl", lines=True)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Annotated, Any, Literal

from pydantic import Field

from analysis.results.column_types import Count, Name, Number, Percent, Positive, PositiveCount, Text, Time, columns_of
from analysis.results.json_lines import Schema
from trainers.assessment import Assessment
from trainers.config import TrainConfig, field_names
from trainers.trial import Measurement

RESULTS = "results.jsonl"
MEASUREMENTS = "measurements.jsonl"
ASSESSMENTS = "assessments.jsonl"
LATENCIES = "latency.jsonl"
"""Log of earlier versions in place of ASSESSMENTS; a row has two figures."""
State = Literal["COMPLETE", "PRUNED", "FAILED"]

SETTINGS = tuple(field_names(TrainConfig))
"""Columns of the fields of TrainConfig."""
OUTCOME_COLUMNS: Mapping[str, Any] = {
    "top1": Percent,
    "top5": Percent,
    "val_loss": Number,
    "best_epoch": Count,
    "raw_top1": Percent,
    "final_top1": Percent,
    "final_top5": Percent,
    "final_val_loss": Number,
    "final_train_loss": Number,
    "test_top1": Percent,
    "test_top5": Percent,
    "test_loss": Number,
    "epochs_trained": Count,
    "train_seconds": Number,
    "images_per_second": Number,
    "device": Text,
    "parts": Count,
}
RESULT_COLUMNS: Mapping[str, Any] = {
    "point": Name,
    "state": Annotated[State, Field(description="one of COMPLETE, PRUNED, FAILED")],
    "reason": Text,
    "restarts": Count,
    **columns_of(TrainConfig),
    "width_mult": Positive,
    "resolution": PositiveCount,
    "dataset": Text,
    "fingerprint": Text,
    "macs": PositiveCount,
    "num_params": PositiveCount,
    "activations": PositiveCount,
    "num_val": PositiveCount,
    "majority_top1": Percent,
    **OUTCOME_COLUMNS,
    "reused_from": Text,
    "ended_at": Time,
}
OUTCOMES, COLUMNS = tuple(OUTCOME_COLUMNS), tuple(RESULT_COLUMNS)
"""Columns of the results table, in order; OUTCOMES are decided by the training."""
NEEDED = ("point", "state", "model", "width_mult", "resolution", "dataset", "macs", "num_params")
"""Columns that rows of every version have; rows of an earlier version may lack other columns."""
MEASUREMENT_COLUMNS: Mapping[str, Any] = {
    **columns_of(Measurement),
    "point": Name,
    "top1": Percent,
    "top5": Percent,
    "raw_top1": Percent,
    "test_top1": Percent,
    "test_top5": Percent,
    "measured_at": Time,
}
ASSESSMENT_COLUMNS: Mapping[str, Any] = {**columns_of(Assessment), "point": Name, "value": Positive}
LATENCY_COLUMNS: Mapping[str, Any] = {
    **{name: ASSESSMENT_COLUMNS[name] for name in ("point", "device", "runtime", "num_threads", "batch_size")},
    "num_repeats": ASSESSMENT_COLUMNS["num_repeats"],
    "median_ms": Positive,
    "p90_ms": Positive,
}
ROW = Schema(RESULT_COLUMNS, NEEDED)
MEASURED = Schema(MEASUREMENT_COLUMNS, [field.name for field in fields(Measurement) if field.default is MISSING])
ASSESSED = Schema(ASSESSMENT_COLUMNS, list(ASSESSMENT_COLUMNS))
TIMED = Schema(LATENCY_COLUMNS, list(LATENCY_COLUMNS))


def outcome(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Return the OUTCOMES of a point from its measurements in the order of epochs; None without measurements.

    `top1`, `top5` and `val_loss` belong to the best epoch (the first of the highest top-1), whose checkpoint
    ships; `final_*` belong to the last epoch.
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
