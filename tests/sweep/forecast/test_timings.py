"""Timings are cached by everything that decides them, and measured again if their file is damaged."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sweep.forecast import timings
from sweep.forecast import trial_resources as machines
from sweep.forecast.timings import cached_timings, predict_on
from sweep.forecast.trial_resources import Machine, this_machine
from sweep.plan.plan import make_plan
from tests.sweep.conftest import quick_config
from trainers.config import TrainConfig
from trainers.datasets.pixels.cache import cache_folder
from trainers.errors import ConfigError
from trainers.training.step_time import Line, Request, Slot, Timing

SLOT = Slot(num_threads=1, gpu_share=0.0, num_processes=2)
REQUESTS = [Request.of(TrainConfig(width_mult=w, num_classes=10), (8, 8)) for w in (0.5, 1.0)]


class Timer:
    """Replaces the processes that time networks: returns a timing by width, and records the requested widths."""

    def __init__(self) -> None:
        self.requested: list[list[float]] = []
        self.slots: list[Slot] = []

    def __call__(self, requests: Sequence[Request], slot: Slot) -> list[Timing]:
        self.requested.append([request.config.width_mult for request in requests])
        self.slots.append(slot)
        widths = self.requested[-1]
        return [Timing(train=Line(w, w), memory=Line(1e9 * w, 1e6), evaluate_seconds=w) for w in widths]


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> Timer:
    timer = Timer()
    monkeypatch.setattr(timings, "time_networks", timer)
    return timer


def test_networks_are_timed_once(timer: Timer) -> None:
    lines: list[str] = []

    first = cached_timings(REQUESTS, SLOT, this_machine(), lines.append)
    again = cached_timings(REQUESTS[::-1], SLOT, this_machine(), lines.append)

    assert timer.requested == [[0.5, 1.0]]
    assert [timing.train.fixed for timing in first] == [0.5, 1.0]
    assert again == first[::-1]
    [line] = lines
    assert line.startswith("timing 2 networks on this machine, once (kept in ")


def test_a_damaged_first_image_does_not_prevent_a_prediction(timer: Timer, tmp_path: Path) -> None:
    for path in (f"{split}/{label}/{i}.png" for split in ("train", "val") for label in "ab" for i in range(3)):
        (tmp_path / "pets" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20)).save(tmp_path / "pets" / path)
    (tmp_path / "pets/train/a/0.png").write_bytes(b"")
    config = quick_config(tmp_path, "width_mult=0.25", "resolution=16", data=str(tmp_path / "pets"))
    trials = make_plan(config).trials

    predicted = predict_on(this_machine(), config, trials, epochs_done={}, longest_first=True, announce=print)

    assert timer.requested == [[0.25]]
    assert predicted.points.keys() == {trial.id for trial in trials}


ABSURD = [
    f'{{"train": {{"fixed": 0, "per_image": {seconds}}}, "memory": {{"fixed": 0, "per_image": {memory}}}, '
    f'"evaluate_seconds": {evaluate}}}'
    for seconds, memory, evaluate in [
        (1e308, 1e5, 1e-3), (0, 1e5, 1e-3), (1e-3, 1e308, 1e-3), (1e-3, 1e5, 1e9), (10**400, 1, 1),
    ]
]  # fmt: skip
"""Timings that no machine has taken."""


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", "{}", '{"train": {"fixed": NaN}}', *ABSURD])
def test_a_network_is_timed_again_if_its_file_is_damaged(timer: Timer, damage: str) -> None:
    [expected] = cached_timings(REQUESTS[:1], SLOT, this_machine(), print)
    [path] = (cache_folder() / "timings").iterdir()
    path.write_text(damage)

    assert cached_timings(REQUESTS[:1], SLOT, this_machine(), print) == [expected]
    assert cached_timings(REQUESTS[:1], SLOT, this_machine(), print) == [expected]
    assert len(timer.requested) == 2


@pytest.mark.parametrize("slot", [replace(SLOT, num_threads=2), replace(SLOT, num_processes=1)])
def test_other_slots_have_timings_of_their_own(timer: Timer, slot: Slot) -> None:
    cached_timings(REQUESTS, SLOT, this_machine(), print)
    cached_timings(REQUESTS, slot, this_machine(), print)

    assert timer.requested == [[0.5, 1.0]] * 2


def test_a_cluster_is_timed_on_its_largest_node(timer: Timer, tmp_path: Path) -> None:
    called: list[str] = []

    def call(slot: Slot, function: Callable[..., Any], *arguments: Any) -> Any:
        called.append(getattr(function, "__name__", "timer"))
        return "a processor" if function is timings.hardware else function(*arguments)

    machine = Machine(name="a node", nodes=[{"CPU": 2}, {"CPU": 4}], call=call)
    config = quick_config(tmp_path)

    prediction = predict_on(
        machine, config, make_plan(config).trials, epochs_done={}, longest_first=True, announce=print
    )

    assert called == ["hardware", "timer"]
    assert timer.slots == [Slot(num_threads=1, gpu_share=0.0, num_processes=4)]
    assert prediction.num_trials == 6


def test_another_processor_has_timings_of_its_own(timer: Timer, monkeypatch: pytest.MonkeyPatch) -> None:
    cached_timings(REQUESTS, SLOT, this_machine(), print)
    monkeypatch.setattr(timings, "hardware", lambda slot: "another CPU")
    cached_timings(REQUESTS, SLOT, this_machine(), print)

    assert timer.requested == [[0.5, 1.0]] * 2


def test_without_a_writable_cache_networks_are_timed_each_time(
    timer: Timer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOBILENET_SWEEP_CACHE", str(tmp_path / "file"))

    assert cached_timings(REQUESTS, SLOT, this_machine(), print) == cached_timings(
        REQUESTS, SLOT, this_machine(), print
    )
    assert len(timer.requested) == 2


@pytest.mark.parametrize(
    ("fields", "slot"),
    [
        ({}, Slot(num_threads=1, gpu_share=0.0, num_processes=8)),
        ({"cpus_per_trial": 3}, Slot(num_threads=3, gpu_share=0.0, num_processes=2)),
        ({"workers_per_trial": 4}, Slot(num_threads=1, gpu_share=0.0, num_processes=8)),
    ],
)
def test_as_many_processes_are_timed_at_once_as_will_train(
    timer: Timer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fields: dict[str, int], slot: Slot
) -> None:
    monkeypatch.setattr(machines.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(machines, "gpu_names", list[str])
    config = replace(quick_config(tmp_path), **fields)

    prediction = predict_on(
        this_machine(), config, make_plan(config).trials, epochs_done={}, longest_first=True, announce=print
    )

    assert timer.slots == [slot]
    assert timer.requested == [[0.25, 0.35, 0.5]]
    assert prediction.num_trials == slot.num_processes // config.num_workers


@pytest.mark.parametrize(
    ("share", "num_processes", "num_trials"), [(0.25, 4, 8), (0.6, 1, 2), (0.15, 6, 12), (0.4, 2, 4)]
)
def test_timed_processes_share_a_gpu_as_trials_do(
    timer: Timer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, share: float, num_processes: int, num_trials: int
) -> None:
    monkeypatch.setattr(machines.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(machines, "gpu_names", lambda: ["a GPU"] * 2)
    monkeypatch.setattr(timings, "hardware", lambda slot: "a GPU")
    config = replace(quick_config(tmp_path), gpus_per_trial=share, cpus_per_trial=2)

    prediction = predict_on(
        this_machine(), config, make_plan(config).trials, epochs_done={}, longest_first=True, announce=print
    )

    assert timer.slots == [Slot(num_threads=2, gpu_share=share, num_processes=num_processes)]
    assert (prediction.num_trials, prediction.num_devices) == (num_trials, share)


def test_a_trial_larger_than_the_machine_is_an_error_before_anything_is_timed(timer: Timer, tmp_path: Path) -> None:
    config = replace(quick_config(tmp_path), cpus_per_trial=4096)

    with pytest.raises(ConfigError, match="a trial is to have 4096 CPUs"):
        predict_on(this_machine(), config, make_plan(config).trials, epochs_done={}, longest_first=True, announce=print)

    assert timer.requested == []
