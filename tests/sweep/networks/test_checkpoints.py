"""A CHECKPOINT names a point, a sweep's best, a file or an MLflow run, in a real sweep and its real store."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from analysis.advice.recommend import Caps
from analysis.results.read import latest_rows
from analysis.results.schema import RESULTS
from sweep.networks.checkpoints import open_checkpoint, open_untrained, point_folder
from sweep.watch.mlflow_store import FOLDER, connect
from tests.sweep.conftest import Sweep
from trainers.errors import ConfigError
from trainers.weights.checkpoint import BEST, load
from trainers.weights.network import Network


def rows(sweep: Sweep, state: str) -> list[dict[str, Any]]:
    return [row for row in latest_rows(sweep.folder).values() if row["state"] == state]


def assert_is_point(network: Network, sweep: Sweep, row: dict[str, Any]) -> None:
    state = load(sweep.folder / "points" / row["point"] / BEST)
    assert state is not None
    assert (network.config.dropout, network.config.lr) == (row["dropout"], row["lr"])
    assert network.classes == tuple("0123456789")
    weight = network.model.state_dict()["features.0.0.weight"]
    assert (weight == state["model"]["features.0.0.weight"]).all()


@pytest.mark.parametrize("form", ["{folder}/{id}", "{folder}/points/{id}", "{folder}/points/{id}/best.pt"])
def test_a_point_is_named_by_its_sweep_and_id_or_by_its_file(real_sweep: Sweep, form: str) -> None:
    for row in rows(real_sweep, "COMPLETE"):
        network = open_checkpoint(form.format(folder=real_sweep.folder, id=row["point"]))
        assert_is_point(network, real_sweep, row)


def test_the_best_of_a_sweep_is_the_point_with_the_highest_top1(real_sweep: Sweep) -> None:
    best = max(rows(real_sweep, "COMPLETE"), key=lambda row: row["top1"])

    assert_is_point(open_checkpoint(str(real_sweep.folder), best=True), real_sweep, best)


@pytest.mark.parametrize("by", [FOLDER, "its place in runs"])
def test_a_child_run_names_its_point(real_sweep: Sweep, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{real_sweep.runs}/mlflow.db"
    store = connect(uri, real_sweep.runs)
    row = rows(real_sweep, "COMPLETE")[0]
    [run] = store.client.search_runs([store.experiment_id], f"tags.point = '{row['point']}'")
    tagged = run.data.tags[FOLDER]
    assert tagged == str(real_sweep.folder / "points" / row["point"])
    if by != FOLDER:
        store.client.set_tag(run.info.run_id, FOLDER, "/moved/away")

    assert_is_point(open_checkpoint(f"mlflow:{run.info.run_id}", runs=real_sweep.runs), real_sweep, row)

    if by == FOLDER:  # the tag suffices without the folder in `runs`, and the environment names the store
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert_is_point(open_checkpoint(f"mlflow:{run.info.run_id}", runs=Path("elsewhere")), real_sweep, row)
    store.client.set_tag(run.info.run_id, FOLDER, tagged)


def test_a_run_that_is_no_point_or_does_not_exist_is_an_error(real_sweep: Sweep, tmp_path: Path) -> None:
    client = MlflowClient(f"sqlite:///{real_sweep.runs}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    [parent] = [run for run in client.search_runs(experiments) if "point" not in run.data.tags]

    with pytest.raises(ConfigError, match=r"is no point's; give one of its child runs, or runs/NAME with --best"):
        open_checkpoint(f"mlflow:{parent.info.run_id}", runs=real_sweep.runs)
    with pytest.raises(ConfigError, match="no run 'nothing' in sqlite:///"):
        open_checkpoint("mlflow:nothing", runs=real_sweep.runs)
    with pytest.raises(ConfigError, match="no MLflow store at "):
        open_checkpoint("mlflow:nothing", runs=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_error_for_a_failed_point_gives_its_reason(real_sweep: Sweep) -> None:
    failed = rows(real_sweep, "FAILED")[0]

    with pytest.raises(ConfigError, match=r"holds no best.pt: it is FAILED \(.*diverged"):
        open_checkpoint(f"{real_sweep.folder}/{failed['point']}")


Rewrite = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


@pytest.fixture
def changed_log(real_sweep: Sweep, tmp_path: Path) -> Callable[[Rewrite], Path]:
    """Return a function that copies the sweep with a rewritten log."""

    def change(rewrite: Rewrite) -> Path:
        folder = tmp_path / "sweep"
        shutil.copytree(real_sweep.folder, folder)
        complete = rewrite(rows(real_sweep, "COMPLETE"))
        (folder / RESULTS).write_text("".join(json.dumps(row) + "\n" for row in complete))
        return folder

    return change


def test_the_best_within_a_cap_is_the_best_of_the_networks_within_it(
    real_sweep: Sweep, changed_log: Callable[..., Path]
) -> None:
    def make_one_larger(logged: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The more accurate of the complete points has more MACs."""
        larger = max((row for row in logged if row["state"] == "COMPLETE"), key=lambda row: row["top1"])
        return [row | ({"macs": 10**9} if row is larger else {}) for row in logged]

    folder = changed_log(make_one_larger)
    small = min(rows(real_sweep, "COMPLETE"), key=lambda row: row["top1"])

    within = open_checkpoint(str(folder), best=True, caps=Caps(at_most={"macs": 1e8}))

    assert within.config.dropout == small["dropout"]
    with pytest.raises(ConfigError, match=r"nothing fits: --max-macs 1000 leaves none"):
        open_checkpoint(str(folder), best=True, caps=Caps(at_most={"macs": 1e3}))


def test_the_best_of_several_seeds_has_the_setting_with_the_highest_mean(
    changed_log: Callable[[Rewrite], Path],
) -> None:
    def two_settings(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One setting has the best seed, the other the better mean."""
        lucky, better = rows[:2]
        return [lucky | {"top1": 99.0}, lucky | {"point": "unlucky", "seed": 1, "top1": 80.0}, better | {"top1": 95.0}]

    folder = changed_log(two_settings)
    (folder / "points" / "unlucky").mkdir()
    (folder / "points" / "unlucky" / "best.pt").touch()

    better = list(latest_rows(folder).values())[-1]
    assert open_checkpoint(str(folder), best=True).config.dropout == better["dropout"]


def test_a_unique_beginning_of_an_id_names_the_point(real_sweep: Sweep) -> None:
    first, second = (row["point"] for row in rows(real_sweep, "COMPLETE")[:2])
    same = len(os.path.commonprefix([first, second]))

    assert point_folder(real_sweep.folder, first[: same + 1]) == real_sweep.folder / "points" / first
    with pytest.raises(ConfigError, match=rf"has several of '{first[:same]}': "):
        point_folder(real_sweep.folder, first[:same])


def test_the_cheaper_of_equally_accurate_networks_is_the_best(changed_log: Callable[[Rewrite], Path]) -> None:
    folder = changed_log(lambda rows: [row | {"top1": 50.0, "macs": 100 - i} for i, row in enumerate(rows)])
    cheaper = list(latest_rows(folder).values())[-1]

    assert open_checkpoint(str(folder), best=True).config.dropout == cheaper["dropout"]


def test_a_pruned_point_is_never_the_best(changed_log: Callable[[Rewrite], Path]) -> None:
    folder = changed_log(lambda rows: [rows[0], rows[1] | {"state": "PRUNED", "top1": 100.0}])

    assert open_checkpoint(str(folder), best=True).config.dropout == next(iter(latest_rows(folder).values()))["dropout"]


def test_a_sweep_without_a_complete_point_has_no_best(changed_log: Callable[[Rewrite], Path]) -> None:
    with pytest.raises(ConfigError, match="there is no complete point yet"):
        open_checkpoint(str(changed_log(lambda rows: [])), best=True)


@pytest.mark.parametrize(
    ("text", "best", "message"),
    [
        ("{folder}", False, "is a sweep: choose its best network with --best, or a point"),
        ("{folder}/mobilenet_v9", False, "has no point 'mobilenet_v9'; it has mobilenet_v2_0.25_16-"),
        ("{folder}/points", True, "--best chooses from a sweep, and there is none at "),
        ("nowhere", False, "no checkpoint 'nowhere'; give a point runs/NAME/ID"),
        ("nowhere.pth", False, "no checkpoint 'nowhere.pth'"),
    ],
)
def test_a_text_that_names_no_checkpoint_is_an_error(real_sweep: Sweep, text: str, best: bool, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_checkpoint(text.format(folder=real_sweep.folder), best=best)


def test_an_untrained_network_is_named_by_its_cell() -> None:
    network = open_untrained("mobilenet_v2:0.35_96")

    assert network is not None
    assert network.name == "mobilenet_v2_0.35_96"
    assert open_untrained("dli14:1.0_224") is None
    assert open_untrained("runs/x") is None
    for wrong, message in (("mobilenet_v2:0_96", "width_mult is 0.0"), ("mobilenet_v2:1.2.3_96", "'1.2.3' in")):
        with pytest.raises(ConfigError, match=message):
            open_untrained(wrong)
