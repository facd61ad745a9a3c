"""A whole sweep with real Ray, a real MLflow store and real training leaves the right files, and can be resumed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow import MlflowClient

import run_sweep
from analysis.results.read import load_measurements, load_table
from sweep.commands.sweep import sweep_config
from sweep.forecast.prediction import TimedNetwork, predict
from sweep.plan.left import read_left
from sweep.plan.plan import make_plan
from sweep.run.environment import write_identity
from sweep.run.log import ResultsLog
from sweep.run.ray_processes import global_worker
from sweep.run.sweep import progress_so_far
from tests.sweep.conftest import (
    ARGUMENTS,
    Sweep,
    make_checkpoints,
    measurement,
    open_recorder,
    quick_config,
    resources,
    start,
)
from trainers.errors import counted
from trainers.training.step_time import Line, Timing

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("known_timings")


def test_every_point_ends_as_a_row_with_its_state_and_reason(real_sweep: Sweep) -> None:
    table = pd.read_json(real_sweep.folder / "results.jsonl", lines=True).sort_values(["lr", "dropout"])

    assert list(table.lr) == [0.005, 0.005, 1e30, 1e30]
    assert list(table.state) == ["COMPLETE", "COMPLETE", "FAILED", "FAILED"]
    assert list(table.epochs_trained) == [2, 2, 0, 0]
    assert table.reason.str.startswith("diverged at epoch 1, step").sum() == 2
    assert table.top1.notna().sum() == 2
    assert real_sweep.exit_code == 1  # a trial failed


def test_the_best_and_the_last_checkpoint_of_a_point_are_kept(real_sweep: Sweep) -> None:
    for point, history in load_measurements(real_sweep.folder).items():
        best = torch.load(real_sweep.folder / "points" / point / "best.pt", weights_only=True)
        last = torch.load(real_sweep.folder / "points" / point / "last.pt", weights_only=True)
        assert best["scores"]["top1"] == max(m.top1 for m in history)
        assert len(last["history"]) == len(history) == 2
        assert history[-1].test_top1 is not None


def test_the_folder_holds_configuration_environment_and_logs(real_sweep: Sweep) -> None:
    config = json.loads((real_sweep.folder / "config.json").read_text())
    environment = json.loads((real_sweep.folder / "environment.json").read_text())

    assert config["axis"] == ["width_mult=0.25", "resolution=16", "lr=0.005,1e30", "dropout=0,0.2"]
    assert environment["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert environment["dataset"]["fingerprint"] == "digits-60-20-20"
    assert set(environment) >= {"git", "python", "platform", "cpu", "gpus", "host", "sweep_id", "command"}
    assert {path.name for path in real_sweep.folder.iterdir()} == {
        ".lock", "config.json", "environment.json", "measurements.jsonl", "points", "report",
        "results.jsonl"}  # fmt: skip


def test_mlflow_agrees_with_the_log(real_sweep: Sweep) -> None:
    client = MlflowClient(f"sqlite:///{real_sweep.runs / 'mlflow.db'}")
    [experiment] = [e for e in client.search_experiments() if e.name == "mobilenet-sweep"]
    runs = client.search_runs([experiment.experiment_id])
    children = {run.data.tags["point"]: run for run in runs if "point" in run.data.tags}
    [parent] = [run for run in runs if "point" not in run.data.tags]
    table = pd.read_json(real_sweep.folder / "results.jsonl", lines=True)

    assert {point: run.data.tags["state"] for point, run in children.items()} == dict(
        zip(table.point, table.state, strict=True)
    )
    complete = table[table.state == "COMPLETE"]
    assert {p: children[p].data.metrics["best_top1"] for p in complete.point} == dict(
        zip(complete.point, complete.top1, strict=True)
    )
    artifacts = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"macs_top1.png", "params_top1.svg", "results.csv", "results.md"} <= artifacts
    assert parent.info.status == "FINISHED"


def test_the_report_marks_the_frontier(real_sweep: Sweep) -> None:
    table = pd.read_csv(real_sweep.folder / "report" / "results.csv")

    complete = table[table.state == "COMPLETE"]
    assert set(complete[complete.on_frontier].top1) == {complete.top1.max()}
    assert not table[table.state == "FAILED"].on_frontier.any()


def test_the_last_lines_name_frontier_chart_and_ui(real_sweep: Sweep) -> None:
    lines = real_sweep.printed.splitlines()

    assert any(line.startswith("  frontier: mobilenet_v2_0.25_16") for line in lines)
    assert f"chart: {real_sweep.folder}/report/macs_top1.png" in lines
    assert lines[-1].endswith(f"run_sweep.py ui --runs {real_sweep.runs}")


def test_the_predicted_cost_is_printed_before_training_and_compared_afterwards(real_sweep: Sweep) -> None:
    before, _, after = real_sweep.printed.partition("starting Ray")

    [line] = [line for line in before.splitlines() if line.startswith("predicted: ")]
    time, _, rest = line.removeprefix("predicted: ").partition(" (")
    assert " on 2 trials at once, " in rest
    assert re.search(rf"^4 points ended, 2 failed; predicted {time}, took .* s$", after, re.M)


def test_the_predicted_disk_space_is_that_of_the_checkpoints(real_sweep: Sweep) -> None:
    plan = make_plan(sweep_config(real_sweep.arguments))
    timing = Timing(train=Line(0.0, 1.0), memory=Line(1e9, 1e6), evaluate_seconds=0.0)
    timed = [TimedNetwork(config=plan.points[0].config, timing=timing)]

    predicted = predict(plan.trials, timed, resources())

    for folder in (real_sweep.folder / "points").iterdir():
        taken = sum(file.stat().st_size for file in folder.iterdir())
        assert taken == pytest.approx(predicted.points[folder.name].disk_bytes, rel=0.3)


def test_a_second_start_would_train_only_failed_points(real_sweep: Sweep) -> None:
    left = read_left(make_plan(sweep_config(real_sweep.arguments)))

    assert progress_so_far(left) == f"2 of 4 points done in {real_sweep.folder}"
    assert [trial.points[0].config.lr for trial in left.trials] == [1e30, 1e30]


def test_a_finished_sweep_does_not_start_ray_and_writes_its_report_again(real_sweep: Sweep, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(real_sweep.runs, runs)
    log = runs / "mnv2_quick-digits" / "results.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    for row in rows:
        row.update(state="COMPLETE", top1=row["top1"] or 10.0)
        (log.parent / "points" / row["point"]).mkdir(exist_ok=True)
        (log.parent / "points" / row["point"] / "best.pt").touch()
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.rmtree(runs / "mnv2_quick-digits" / "report")
    script = "import sys, run_sweep; code = run_sweep.main(sys.argv[1:]); print('ray' in sys.modules); sys.exit(code)"

    command = [sys.executable, "-c", script, *ARGUMENTS, "--runs", str(runs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "nothing left to train: 4 points ended before, 0 failed" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"
    assert (runs / "mnv2_quick-digits" / "report" / "macs_top1.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("flags", "difference"),
    [
        (["--train.batch-size", "64"], "train.batch_size was 32, is 64"),
        (["--axis", "momentum=0.8"], "axis was "),
        (["--num-samples", "2"], "num_samples was unset, is 2"),
    ],
)
def test_another_configuration_under_the_same_name_is_an_error_with_the_difference(
    real_sweep: Sweep, capsys: pytest.CaptureFixture[str], flags: list[str], difference: str
) -> None:
    before = {path: path.read_bytes() for path in real_sweep.folder.glob("*.json*")}

    assert run_sweep.main([*real_sweep.arguments, *flags]) == 2

    error = capsys.readouterr().err
    assert difference in error
    assert "choose another --name" in error
    assert {path: path.read_bytes() for path in real_sweep.folder.glob("*.json*")} == before


def test_a_missing_environment_is_a_one_line_error(
    real_sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(real_sweep.runs, runs)
    (runs / "mnv2_quick-digits" / "environment.json").unlink()

    assert run_sweep.main([*ARGUMENTS, "--runs", str(runs)]) == 2

    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_an_incomplete_last_line_is_reported_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan(quick_config(tmp_path, "width_mult=0.25", "resolution=16", epochs=1))
    with closing(ResultsLog(plan.folder)) as log:
        open_recorder(plan.points, log).measured(measurement(plan.points[0], 1))
    make_checkpoints(plan)
    path = plan.folder / "measurements.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"point": "t')

    assert run_sweep.main([*ARGUMENTS[:6], "--train.epochs", "1", "--runs", str(tmp_path)]) == 0

    assert capsys.readouterr().err == f"note: the last line of {path} was cut off and is left out\n"
    assert path.read_bytes() == whole


ASK_FOR_NODES = """
import sys, ray
print(len(ray._raylet.GcsClient(address=sys.argv[1]).get_all_node_info(timeout=5)))
"""


def nodes_of_ray(pid: int, auth_mode: str) -> subprocess.CompletedProcess[str]:
    """Ask for the nodes of the Ray head that process `pid` has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = [Path(f"/proc/{child}/cmdline").read_text() for child in children]
    [address] = {match[1] for text in commands if (match := re.search(r"--gcs-address=([\d.:]+)", text))}
    return subprocess.run(
        [sys.executable, "-c", ASK_FOR_NODES, address],
        env=os.environ | {"RAY_AUTH_MODE": auth_mode},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_running_sweep_rejects_other_users_and_the_same_command_resumes_it_after_ctrl_c(
    tmp_path: Path,
) -> None:
    arguments = ["--space", "mnv2_quick", "--axis", "width_mult=0.25", "--axis", "resolution=16",
                 "--train.epochs", "200", "--runs", str(tmp_path)]  # fmt: skip
    command = [sys.executable, str(ROOT / "run_sweep.py"), *arguments]
    users = {
        name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"
    }  # set by sweep.run.ray_session
    process = subprocess.Popen(command, env=users, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "mnv2_quick-digits" / "measurements.jsonl"
    deadline = time.monotonic() + 120
    while not (log.is_file() and log.read_bytes().count(b"\n") >= 2):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.2)

    friend, stranger = nodes_of_ray(process.pid, "token"), nodes_of_ray(process.pid, "disabled")
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)  # `uv run` forwards the signal that its whole process group received
    printed, complained = process.communicate(timeout=60)

    assert friend.stdout == "1\n", friend.stderr
    assert (stranger.stdout, "InvalidAuthToken" in stranger.stderr) == ("", True), stranger.stderr
    assert process.returncode == 130
    assert "stopping; each running point goes on from its last finished epoch next time" in complained
    assert "Traceback" not in complained
    assert f"continue with: python run_sweep.py {' '.join(arguments)}" in printed.replace("uv run", "python")
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiments = [e.experiment_id for e in client.search_experiments()]
    assert {run.info.status for run in client.search_runs(experiments)} == {"KILLED"}
    [history] = load_measurements(log.parent).values()
    point = next((log.parent / "points").iterdir())
    assert len(torch.load(point / "last.pt", weights_only=True)["history"]) >= len(history) >= 2


def test_a_bad_setting_is_stopped_and_a_widened_sweep_with_fifo_resumes_it(tmp_path: Path) -> None:
    """A learning rate of 1e-6 stays at chance, while 0.01 reaches a top-1 of 50 % within three epochs."""
    shape = ["--space", "mnv2_quick", "--axis", "width_mult=0.25", "--axis", "resolution=16", "--train.epochs", "8",
             "--runs", str(tmp_path)]  # fmt: skip
    folder = tmp_path / "mnv2_quick-digits"

    exit_code, printed = start([*shape, "--axis", "lr=0.01,1e-6"])

    assert not hasattr(global_worker, "core_worker")  # Ray's own processes end in time because of this
    table = load_table(folder).set_index("lr")
    assert exit_code == 0
    assert "2 points ended, 0 failed" in printed
    assert list(table.loc[[0.01, 1e-6], "state"]) == ["COMPLETE", "PRUNED"]
    epochs = table.loc[1e-6, "epochs_trained"]
    assert 1 <= epochs < 8
    assert table.loc[1e-6, "reason"].startswith(f"stopped at epoch {epochs} of 8: mobilenet_v2_0.25_16 lr=0.01 is as")
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(run.data.tags["state"] for run in runs if "point" in run.data.tags) == ["COMPLETE", "PRUNED"]

    config = sweep_config([*shape, "--axis", "lr=0.01,1e-6,0.003", "--scheduler", "fifo"])
    so_far = progress_so_far(read_left(make_plan(config)))
    assert so_far == f"1 of 3 points done, 1 begun ({counted(epochs, 'epoch')}) in {folder}"
    stopping = replace(config, scheduler="frontier")
    assert progress_so_far(read_left(make_plan(stopping))).startswith("2 of 3 points done")


def test_a_sweep_killed_before_its_first_epoch_can_be_resumed(tmp_path: Path) -> None:
    config = quick_config(tmp_path)
    plan = make_plan(config)
    plan.folder.mkdir()
    write_identity(plan)

    assert progress_so_far(read_left(plan)) == f"0 of 9 points done in {plan.folder}"
    other = replace(config, train=replace(config.train, epochs=7))
    assert "holds another sweep (train.epochs was 5, is 7)" in progress_so_far(read_left(make_plan(other)))
