"""Adaptive samplers propose only new points within the caps, and their study records how each point ended."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from PIL import Image

from search_spaces.registry import get_space
from sweep.choose.optuna_sampler import FIRST_RANDOM, OptunaSampler
from sweep.config import SweepConfig
from sweep.plan.axes import effective_space
from sweep.plan.plan import Plan, make_plan
from sweep.plan.points import PlannedPoint
from trainers.errors import ConfigError

CHOICES = ("width_mult=0.2,0.35,0.5,0.6,0.75,1.0", "resolution=16,20", "dropout=0,0.1,0.2")


def config_of(runs: Path, *axes: str, **settings: Any) -> SweepConfig:
    settings = {"sampler": "optuna", "max_macs": 2.4e7, "runs": runs, "axis": axes or CHOICES} | settings
    return SweepConfig(space="mnv2_quick", train=get_space("mnv2_quick").base, **settings)


def opened(config: SweepConfig) -> tuple[Plan, OptunaSampler]:
    plan = make_plan(config)
    return plan, OptunaSampler(plan, effective_space(config))


def row(point: PlannedPoint, state: str = "COMPLETE", top1: float | None = None) -> Mapping[str, Any]:
    """Return the row of a point that ended; wider networks are more accurate."""
    top1 = 50 + 40 * point.config.width_mult if top1 is None else top1
    return {"point": point.id, "state": state, "top1": top1, "macs": point.cost.macs, "num_params": 1,
            "epochs_trained": point.config.epochs}  # fmt: skip


def study_of(plan: Plan) -> optuna.Study:
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(plan.folder / "study.log")))
    return optuna.load_study(study_name=plan.name, storage=storage)


@pytest.mark.parametrize("name", ["optuna", "nsga2"])
def test_thirty_proposals_are_the_thirty_points_within_the_cap(name: str, tmp_path: Path) -> None:
    """The space has 36 combinations, and the cap allows 30 of them."""
    plan, sampler = opened(config_of(tmp_path, sampler=name))
    assert len(plan.candidates) == 30

    proposed = []
    for _ in range(30):
        point = sampler.propose()
        assert point is not None
        proposed.append(point)
        sampler.ended(row(point))

    assert {point.id for point in proposed} == {point.id for point in plan.candidates}
    assert max(point.cost.macs for point in proposed) <= 2.4e7
    assert sampler.propose() is None


def test_a_gaussian_process_learns_accuracy_and_uses_exact_costs(tmp_path: Path) -> None:
    """Dropout 0.2 gains 20 points of top-1, so that once the model knows it, every proposal has it."""
    axes = ("width_mult=0.2,0.25,0.3,0.35,0.4,0.5", "resolution=16,20", "dropout=0,0.1,0.2")
    plan, sampler = opened(config_of(tmp_path, *axes, sampler="gp"))
    points: list[PlannedPoint] = []
    for i in range(24):
        point = sampler.propose()
        assert point is not None
        points.append(point)
        if i >= 2:  # two points are always running
            sampler.ended(
                row(points[i - 2], top1=60 + 100 * points[i - 2].config.dropout + 10 * points[i - 2].config.width_mult)
            )

    assert len({point.id for point in points}) == 24
    best = {point.id for point in plan.candidates if point.config.dropout == 0.2}
    assert len(best & {point.id for point in points}) >= 11  # of 12 points


def test_a_gaussian_process_proposes_the_cheaper_of_equally_accurate_networks(tmp_path: Path) -> None:
    """Here resolution costs MACs and gains no top-1, so that only the lower resolution improves the frontier."""
    axes = ("width_mult=0.2,0.25,0.3,0.35,0.4,0.5,0.6,0.75", "resolution=16,20,24,28")
    _, sampler = opened(config_of(tmp_path, *axes, sampler="gp", max_macs=None))
    resolutions: list[int] = []
    for _ in range(16):
        point = sampler.propose()
        assert point is not None
        sampler.ended(row(point, top1=60 + 20 * point.config.width_mult))
        resolutions.append(point.config.resolution)

    assert (
        sum(resolution == 16 for resolution in resolutions[FIRST_RANDOM:]) >= 4
    )  # of 6 points, where random draws give 1.5 on average


def test_running_points_are_not_proposed_again(tmp_path: Path) -> None:
    _, sampler = opened(config_of(tmp_path))

    proposed = [sampler.propose() for _ in range(30)]

    assert len({point.id for point in proposed if point}) == 30


def test_the_study_records_the_state_and_the_costs_of_every_point(tmp_path: Path) -> None:
    plan, sampler = opened(config_of(tmp_path, costs=("macs", "num_params")))
    points = [sampler.propose() for _ in range(3)]
    for point, state in zip(points, ("COMPLETE", "PRUNED", "FAILED"), strict=True):
        assert point is not None
        sampler.ended(row(point, state))

    study = study_of(plan)
    first = study.trials[0]
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    assert study.metric_names == ["top1", "macs", "num_params"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    assert points[0] is not None
    assert first.values == [50 + 40 * points[0].config.width_mult, points[0].cost.macs, 1]
    assert first.params["width_mult"] == points[0].config.width_mult
    assert first.user_attrs["point"] == points[0].id


def test_after_a_kill_running_points_go_on_and_ended_points_are_recorded(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    plan, sampler = opened(config)
    recorded, ended, running = (sampler.propose() for _ in range(3))
    assert recorded
    assert ended
    assert running
    sampler.ended(row(recorded))

    _, again = opened(config)
    waiting = again.go_on({recorded.id: row(recorded), ended.id: row(ended)})

    assert [point.id for point in waiting] == [running.id]
    states = {trial.user_attrs["point"]: trial.state for trial in study_of(plan).trials}
    assert states == {recorded.id: TrialState.COMPLETE, ended.id: TrialState.COMPLETE, running.id: TrialState.RUNNING}
    rest = [again.propose() for _ in range(27)]
    assert len({point.id for point in rest if point} | {recorded.id, ended.id, running.id}) == 30
    again.ended(row(running))
    assert not [trial for trial in study_of(plan).trials if trial.user_attrs["point"] == running.id
                and trial.state != TrialState.COMPLETE]  # fmt: skip


def test_a_recorded_point_without_a_row_is_trained_again(tmp_path: Path) -> None:
    """The study records an end before the row is written; a driver killed in between leaves the study ahead."""
    config = config_of(tmp_path)
    _, sampler = opened(config)
    first, second = sampler.propose(), sampler.propose()
    assert first
    assert second
    sampler.ended(row(first))
    sampler.ended(row(second))

    _, again = opened(config)
    waiting = again.go_on({first.id: row(first)})
    again.ended(row(second))

    assert [point.id for point in waiting] == [second.id]


def test_values_drawn_from_distributions_are_within_their_range(tmp_path: Path) -> None:
    axes = ("width_mult=0.25,0.5", "resolution=16", "lr=loguniform(0.001,0.1)", "dropout=uniform(0,0.4)")
    plan, sampler = opened(config_of(tmp_path, *axes, num_samples=12))

    points = [sampler.propose() for _ in range(12)]

    assert plan.num_points == 12
    assert len({point.id for point in points if point}) == 12
    assert all(0.001 <= point.config.lr <= 0.1 and 0 <= point.config.dropout <= 0.4 for point in points if point)
    assert all("lr=" in point.label for point in points if point)


def test_a_distribution_over_widths_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="list the values of width_mult"):
        opened(config_of(tmp_path, "width_mult=uniform(0.2,1)", "resolution=16"))


def test_tpe_proposes_good_settings_more_often_than_random_draws(tmp_path: Path) -> None:
    """Dropout 0.2 gains 30 points of top-1, so that TPE proposes it more often than one time in three."""
    axes = ("width_mult=0.2,0.25,0.3,0.35,0.4,0.5", "resolution=16,20", "dropout=0,0.1,0.2", "lr=loguniform(0.001,0.1)")
    _, sampler = opened(config_of(tmp_path, *axes, num_samples=60))
    later = []
    for i in range(60):
        point = sampler.propose()
        assert point is not None
        sampler.ended(row(point, top1=60 + 150 * point.config.dropout))
        later += [point.config.dropout] if i >= 20 else []

    assert sum(dropout == 0.2 for dropout in later) > 20


def test_several_seeds_are_an_error_for_an_adaptive_sampler(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="optuna chooses its points one by one"):
        make_plan(replace(config_of(tmp_path), seeds=2))


@pytest.mark.parametrize("sampler", ["optuna", "nsga2", "gp"])
def test_an_axis_may_vary_the_data(sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points have absolute paths although a user writes relative ones."""
    for name in "ab":
        for path in (f"{name}/{split}/{label}/{i}.png" for split in ("train", "val") for label in "xy" for i in (0, 1)):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, ord(name) - 80), color=(0, 0, 0)).save(tmp_path / path)
    monkeypatch.chdir(tmp_path)
    config = config_of(tmp_path / "runs", "width_mult=0.2,0.35,0.5,0.6,0.75,1.0", "resolution=16", "data=a,b",
                       sampler=sampler, max_macs=None)  # fmt: skip
    config = replace(config, train=replace(config.train, batch_size=2, data="a"))
    _, sampler_ = opened(config)

    proposed = [sampler_.propose() for _ in range(12)]

    assert {point.config.data for point in proposed if point} == {str(tmp_path / name) for name in "ab"}
    assert len({point.id for point in proposed if point}) == 12


@pytest.mark.parametrize("name", ["optuna", "gp"])
def test_only_points_that_fit_into_the_budget_are_proposed(name: str, tmp_path: Path) -> None:
    """Points of width 0.2 take an hour and others 100 hours, so that 12 hours allow the six smallest points alone."""
    config = config_of(tmp_path, sampler=name, max_device_hours=12)
    plan = make_plan(config)
    hours = {point.id: 1.0 if point.config.width_mult == 0.2 else 100.0 for point in plan.candidates}
    sampler = OptunaSampler(plan, effective_space(config), hours)

    proposed = [sampler.propose() for _ in range(7)]

    assert [point.config.width_mult for point in proposed if point] == [0.2] * 6
    _, again = opened(config)
    assert len(again.go_on({})) == 6


def test_a_budget_counts_points_proposed_in_earlier_starts(tmp_path: Path) -> None:
    config = config_of(tmp_path, max_device_hours=2.5)
    plan = make_plan(config)
    sampler = OptunaSampler(plan, effective_space(config), {point.id: 1.0 for point in plan.candidates})

    assert [sampler.propose() is None for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(("epochs_trained", "proposes"), [(0, True), (2, True), (3, False), (5, False)])
def test_the_budget_regains_the_epochs_that_a_stopped_point_did_not_train(
    epochs_trained: int, proposes: bool, tmp_path: Path
) -> None:
    """Two of 2.5 hours are spent; the rest and the untrained epochs of a stopped point may make room for an hour."""
    config = config_of(tmp_path, max_device_hours=2.5)
    plan = make_plan(config)
    sampler = OptunaSampler(plan, effective_space(config), {point.id: 1.0 for point in plan.candidates})
    first, second = sampler.propose(), sampler.propose()
    assert first
    assert second
    assert first.config.epochs == 5

    sampler.ended({**row(first, "PRUNED"), "epochs_trained": epochs_trained})

    assert (sampler.propose() is not None) == proposes


@pytest.mark.filterwarnings("ignore::Warning")
def test_optunas_own_charts_draw_the_study(tmp_path: Path) -> None:
    plan, sampler = opened(config_of(tmp_path))
    for _ in range(12):
        point = sampler.propose()
        assert point is not None
        sampler.ended(row(point))
    study = study_of(plan)

    front = optuna.visualization.matplotlib.plot_pareto_front(study)
    history = optuna.visualization.matplotlib.plot_optimization_history(study, target=lambda trial: trial.values[0])

    assert (front.get_xlabel(), front.get_ylabel()) == ("top1", "macs")
    assert history.get_title()
