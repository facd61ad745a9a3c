"""Latencies of a real sweep's points, and the recommendation that asks for them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import run_sweep
from analysis.results.read import latest_rows
from analysis.results.schema import LATENCIES
from sweep.networks.assessments import point_latency
from tests.sweep.conftest import Sweep
from trainers.errors import ConfigError


@pytest.fixture
def folder(real_sweep: Sweep, tmp_path: Path) -> Path:
    """A copy of the real sweep, which has two complete points."""
    return shutil.copytree(real_sweep.folder, tmp_path / "copy")


def complete(folder: Path) -> list[str]:
    return [point for point, row in latest_rows(folder).items() if row["state"] == "COMPLETE"]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_point_is_measured_once_for_each_number_of_threads(folder: Path) -> None:
    [point, other] = complete(folder)

    first, again = (point_latency(folder, point, num_threads=1) for _ in range(2))
    point_latency(folder, point, num_threads=2)
    point_latency(folder, other, num_threads=1)

    assert first == again
    assert first.median_ms > 0
    kept = [(row["point"], row["num_threads"], row["batch_size"]) for row in rows_of(folder / LATENCIES)]
    assert kept == [(point, 1, 1), (point, 2, 1), (other, 1, 1)]


def test_what_is_measured_again_counts(folder: Path) -> None:
    point = complete(folder)[0]
    first = point_latency(folder, point, num_threads=1)

    again = point_latency(folder, point, num_threads=1, fresh=True)

    assert again != first
    assert point_latency(folder, point, num_threads=1) == again


def test_what_was_measured_on_another_device_does_not_count(folder: Path) -> None:
    point = complete(folder)[0]
    found = point_latency(folder, point, num_threads=1)
    path = folder / LATENCIES
    path.write_text(path.read_text().replace(found.device, "another"))

    point_latency(folder, point, num_threads=1)

    assert [row["device"] for row in rows_of(path)] == ["another", found.device]


def test_a_point_without_a_checkpoint_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="has no point 'nothing'"):
        point_latency(folder, "nothing", num_threads=1)


def test_recommend_measures_says_where_and_names_the_export(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert run_sweep.main(["recommend", str(folder), "--max-latency-ms", "1000000"]) == 0

    printed = capsys.readouterr().out
    rows = latest_rows(folder)
    best = max(complete(folder), key=lambda point: rows[point]["top1"])
    assert "latency:   one image, PyTorch " in printed
    assert f"run_sweep.py export {folder / best} --format onnx\n" in printed
    assert len(rows_of(folder / LATENCIES)) == 2


def test_recommend_says_how_fast_the_fastest_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sweep.main(["recommend", str(folder), "--max-latency-ms", "0.0001"]) == 2

    expected = "error: nothing fits: --max-latency-ms 0.0001 leaves none of 2 complete settings; the fastest takes "
    assert capsys.readouterr().err.startswith(expected)
