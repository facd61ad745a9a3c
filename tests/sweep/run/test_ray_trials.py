"""Ray Tune runs trials, also with several workers, and their failures are reported or retried."""

import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from analysis.results.read import load_table
from sweep.choose.queue import Queue
from sweep.choose.schedulers import Fifo
from sweep.forecast import timings
from sweep.run import ray_trials as runner
from sweep.run import sweep as sweeps
from sweep.run.failures import cause
from sweep.run.log import ResultsLog
from sweep.run.recorder import Recorder
from tests.sweep.conftest import quick_plan, resources, start
from trainers.training.step_time import Line, Timing
from trainers.trial import Measurement, Trial


class StopAtTwo(Fifo):
    """A scheduler that stops a point at its second epoch."""

    def measured(self, measurement: Measurement) -> str | None:
        return "seen enough" if measurement.epoch == 2 else None


def test_several_workers_train_a_point_within_a_budget_together_and_are_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Train's workers end at most one epoch after the stop, long before the last epoch."""
    timing = Timing(train=Line(0.0, 0.01), memory=Line(1e9, 1e6), evaluate_seconds=0.0)
    monkeypatch.setattr(timings, "cached_timings", lambda requests, *others: [timing] * len(requests))
    monkeypatch.setattr(sweeps, "SCHEDULERS", {"fifo": StopAtTwo})
    arguments = ["--space", "mnv2_quick", "--axis", "width_mult=0.25", "--axis", "resolution=16", "--axis",
                 "epochs=500,5000", "--scheduler", "fifo", "--gpus-per-trial", "0", "--workers-per-trial", "2",
                 "--max-device-hours", "8", "--runs", str(tmp_path)]  # fmt: skip

    exit_code, printed = start(arguments)

    assert exit_code == 0, printed
    assert "left out, for a budget of 8 device-hours: 1 of 2 points, mobilenet_v2_0.25_16 epochs=5000 and " in printed
    [row] = load_table(tmp_path / "mnv2_quick-digits").to_dict("records")
    assert (row["epochs"], row["state"], row["reason"], row["epochs_trained"]) == (500, "PRUNED", "seen enough", 2)
    assert row["device"].startswith("2 x cpu ")
    last = torch.load(tmp_path / "mnv2_quick-digits" / "points" / row["point"] / "last.pt", weights_only=True)
    assert len(last["history"]) < 10


@pytest.mark.parametrize("cause", [OSError("the disk is full"), ValueError("a fault of ours")])
def test_a_row_that_cannot_be_written_is_an_error_of_the_system(cause: Exception) -> None:
    """Ray Tune hides the errors of its callbacks in texts."""

    def fit() -> None:
        try:
            raise cause
        except Exception:
            raise runner.TuneError("Traceback ...")  # noqa: B904 - as Ray does

    with pytest.raises(OSError if isinstance(cause, OSError) else runner.TuneError):
        runner._fit(SimpleNamespace(fit=fit))


def test_a_stopped_point_is_not_handed_out_again_while_its_trial_still_runs(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 1)
    recorder = Recorder(ResultsLog(plan.folder), [], Queue(Fifo(), plan.trials), {})
    ending = {"first": plan.points[0].id}
    points = runner._Trials(recorder, ending, resources(num_trials=2, num_workers=2), 0)

    assert points.suggest("second") is None
    first = SimpleNamespace(trial_id="first", config={"trial": plan.trials[0].trial})
    runner._Report(recorder, ending).on_trial_complete(0, [], first)
    assert points.suggest("second") == {"trial": plan.trials[0].trial}


@pytest.mark.parametrize(("batch_size", "num_fits"), [(64, 5), (16, 3)])
def test_several_workers_start_again_with_smaller_parts_when_one_runs_out_of_memory(
    batch_size: int, num_fits: int, tmp_path: Path
) -> None:
    """A part keeps at least two images for each worker, so that the retries end."""
    from ray.train import WorkerGroupError

    plan = quick_plan(tmp_path, 1, batch_size=batch_size)
    tried: list[int] = []

    def fit(trial: Trial, name: str) -> None:
        tried.append(trial.points[0].config.accumulate)
        raise WorkerGroupError("", {0: RuntimeError("a peer is gone"), 1: torch.OutOfMemoryError("of it")})

    with pytest.raises(WorkerGroupError) as failed:
        runner._fit_in_memory(fit, plan.trials[0].trial, "trial", 2)

    assert tried == [2**i for i in range(num_fits)]
    assert str(cause(failed.value)) == "of it"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_repeated_signal_is_ignored_at_first_and_later_ends_the_process(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: stopped.append(1))  # as Ray Tune installs its handler
    try:
        with runner._stop_on_signal() as received:
            signal.raise_signal(number)
            signal.raise_signal(number)
            assert stopped == [1]
            monkeypatch.setattr(runner.time, "monotonic", lambda: float("inf"))
            with pytest.raises(SystemExit, match=str(128 + number)):
                signal.raise_signal(number)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert received == [number]
    assert capsys.readouterr().err.count("stopping; ") == 1
