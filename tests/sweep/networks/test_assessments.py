"""Latencies of a real sweep's points are measured once and used by `recommend`."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import run_sweep
from analysis.results.read import latest_rows, load_assessments
from analysis.results.schema import ASSESSMENTS, LATENCIES
from sweep.networks import assessments
from sweep.networks.assessments import Latency
from tests.sweep.conftest import Sweep
from trainers.assessment import Assessment
from trainers.errors import ConfigError


@pytest.fixture
def folder(real_sweep: Sweep, tmp_path: Path) -> Path:
    """A copy of the real sweep, which has two complete points."""
    return shutil.copytree(real_sweep.folder, tmp_path / "copy")


def point_latency(folder: Path, point: str, *, num_threads: int, fresh: bool = False) -> Assessment:
    """Return the median under PyTorch, whose measurement takes no export."""
    return assessments.point_latency(folder, point, runtime="pytorch", num_threads=num_threads, fresh=fresh).median


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
    assert first.value > 0
    medians = [row for row in rows_of(folder / ASSESSMENTS) if row["metric"] == "latency_ms"]
    conditions = [(row["point"], row["num_threads"], row["batch_size"], row["treatment"]) for row in medians]
    assert conditions == [(point, 1, 1, "fp32"), (point, 2, 1, "fp32"), (other, 1, 1, "fp32")]
    assert len(rows_of(folder / ASSESSMENTS)) == 6  # the 90th percentiles too


def test_a_latency_measured_again_replaces_the_logged_one(folder: Path) -> None:
    point = complete(folder)[0]
    first = point_latency(folder, point, num_threads=1)

    again = point_latency(folder, point, num_threads=1, fresh=True)

    assert again != first
    assert point_latency(folder, point, num_threads=1) == again


@pytest.mark.parametrize("condition", ["device", "runtime"])
def test_a_logged_latency_of_other_conditions_is_not_used(folder: Path, condition: str) -> None:
    """The other conditions are another processor or another version of PyTorch."""
    point = complete(folder)[0]
    first = point_latency(folder, point, num_threads=1)
    path = folder / ASSESSMENTS
    path.write_text(path.read_text().replace(getattr(first, condition), "another"))

    point_latency(folder, point, num_threads=1)

    assert [row[condition] for row in rows_of(path)] == ["another"] * 2 + [getattr(first, condition)] * 2


def test_latencies_of_an_old_version_are_read_and_their_file_stays_unchanged(folder: Path) -> None:
    point = complete(folder)[0]
    first = point_latency(folder, point, num_threads=1)
    (folder / ASSESSMENTS).unlink()
    old = {"point": point, "runtime": first.runtime, "device": f"{first.device} fp32", "num_threads": 1,
           "batch_size": 1, "num_repeats": 100, "median_ms": 4.5, "p90_ms": 6.5}  # fmt: skip
    (folder / LATENCIES).write_text(json.dumps(old) + "\n")

    again = point_latency(folder, point, num_threads=1)

    assert (again.value, again.treatment, again.num_repeats) == (4.5, "fp32", 100)
    assert not (folder / ASSESSMENTS).exists()
    assert [(row.metric, row.value) for row in load_assessments(folder)] == [
        ("latency_ms", 4.5), ("latency_p90_ms", 6.5)]  # fmt: skip


def test_a_point_without_a_checkpoint_is_an_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="has no point 'nothing'"):
        point_latency(folder, "nothing", num_threads=1)


def test_recommend_measures_latencies_and_prints_their_file_and_the_export_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert run_sweep.main(["recommend", str(folder), "--max-latency-ms", "1000000", "--runtime", "pytorch"]) == 0

    printed = capsys.readouterr().out
    rows = latest_rows(folder)
    best = max(complete(folder), key=lambda point: rows[point]["top1"])
    assert "latency:   one image, PyTorch " in printed
    assert f"run_sweep.py export {folder / best} --format onnx\n" in printed
    assert len(rows_of(folder / ASSESSMENTS)) == 4  # a median and a 90th percentile of two points


def test_recommend_measures_under_onnx_runtime_where_it_is_installed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_sweep.main(["recommend", str(folder), "--max-latency-ms", "1000000"]) == 0

    assert "latency:   one image, ONNX Runtime 1." in capsys.readouterr().out
    assert {row["runtime"].split(" 1.")[0] for row in rows_of(folder / ASSESSMENTS)} == {"ONNX Runtime"}


def test_a_logged_latency_of_a_busy_machine_is_measured_again(folder: Path) -> None:
    point = complete(folder)[0]
    first = point_latency(folder, point, num_threads=1)
    busy = [json.dumps(row | {"value": first.value * (1 if row["metric"] == "latency_ms" else 98)})
            for row in rows_of(folder / ASSESSMENTS)]  # fmt: skip
    (folder / ASSESSMENTS).write_text("\n".join(busy) + "\n")

    again = assessments.point_latency(folder, point, runtime="pytorch", num_threads=1)

    assert len(rows_of(folder / ASSESSMENTS)) == 4
    assert again.median.value != first.value


def test_a_latency_is_steady_unless_its_p90_is_twice_the_median() -> None:
    median = Assessment(point="p", treatment="fp32", metric="latency_ms", value=1.0, device="cpu", runtime="x",
                        num_threads=1, batch_size=1, num_repeats=9)  # fmt: skip

    assert Latency.of(median, replace(median, value=1.9)).is_steady
    assert not Latency.of(median, replace(median, value=2.1)).is_steady


def test_recommend_gives_the_least_latency_if_no_network_is_fast_enough(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_sweep.main(["recommend", str(folder), "--max-latency-ms", "0.0001", "--runtime", "pytorch"]) == 2

    expected = "error: nothing fits: --max-latency-ms 0.0001 leaves none of 2 complete settings; the least latency is "
    assert capsys.readouterr().err.startswith(expected)
