"""Mistakes on the command line give one line and exit code 2 and start nothing; printed commands can be run."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import run_sweep
from analysis.results.schema import COLUMNS
from search_spaces.registry import SPACES
from sweep.commands.promote import parse_promotion
from sweep.commands.registry import COMMANDS
from sweep.commands.sweep import sweep_config
from sweep.forecast import timings
from sweep.plan.plan import make_plan
from sweep.run.log import ResultsLog
from trainers.config import TrainConfig, as_row
from trainers.errors import ConfigError
from trainers.training.step_time import Line, Timing

QUICK = ["--space", "mnv2_quick"]
pytestmark = pytest.mark.usefixtures("known_timings")


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which search space? Give --space, one of mnv2_quick, "),
        (["--spcae", "mnv2_quick"], "Unrecognized options: --spcae, perhaps you meant --space"),
        (["--space", "mnv4"], "unknown search space 'mnv4'; choose from mnv1_grid, "),
        (["--space", "mnv2_grd"], "unknown search space 'mnv2_grd'; did you mean mnv2_grid"),
        (["--space"], "--space needs a value"),
        (["mnv2_quick"], "mnv2_quick is a search space: give it as --space mnv2_quick"),
        (["reprot", "runs/x"], "unknown command 'reprot'; did you mean report? choose from evaluate, "),
        (
            [*QUICK, "--axis", "depth=1"],
            "unknown axis 'depth'; choose from accumulate, ",
        ),
        ([*QUICK, "--axis", "lr"], "axis 'lr' is not of the form field=a,b,c"),
        ([*QUICK, "--axis", "width_mult=0"], "width_mult is 0.0; it must be above 0"),
        ([*QUICK, "--train.epoch", "3"], "Unrecognized options: --train.epoch, perhaps you meant --train.epochs"),
        ([*QUICK, "--train.epochs", "few"], "--train.epochs: 'few' is not a whole number"),
        ([*QUICK, "--axis", "lr=0.1", "0.2"], "Unrecognized: 0.2; several values of an axis are joined by commas"),
        ([*QUICK, "--axis", "width=1"], "unknown axis 'width'; did you mean width_mult? choose from accumulate, "),
        (["recipe"], "run_sweep.py recipe needs NAME; see --help"),
        ([*QUICK, "--train.epochs", "0"], "epochs is 0; it must be 1 to 1000000"),
        ([*QUICK, "--train.lr", "nan"], "lr is nan; it must be above 0"),
        ([*QUICK, "--train.optimizer", "adam"], "--train.optimizer: 'adam' is not allowed; choose from sgd, "),
        ([*QUICK, "--train.width-mult", "0.5"], "width_mult is an axis of mnv2_quick; choose its values with --axis"),
        ([*QUICK, "--train.width_mult=0.5"], "width_mult is an axis of mnv2_quick; choose its values with --axis"),
        (
            [*QUICK, "--init", "published", "--axis", "width_mult=0.6"],
            "no published weights of mobilenet_v2 0.6 for init",
        ),
        (["plan", *QUICK, "--init", "best"], "--train.init: 'best' is not allowed; choose from random, published"),
        ([*QUICK, "--time-budget", "30"], "--time-budget: '30' is no duration such as 90s, 30m or 4h"),
        ([*QUICK, "--time-budget", "-3m"], "--time-budget"),
        ([*QUICK, "--max-device-hours", "0"], "max_device_hours is 0.0; it must be above 0 and finite"),
        ([*QUICK, "--num-samples", "10"], "num_samples is 10, but the grid has 9 points"),
        (
            [*QUICK, "--data", "nowhere"],
            "no dataset 'nowhere': give the path of an image folder or of Parquet shards, or one of digits",
        ),
        ([*QUICK, "--data", "cifar10:nowhere"], "no cifar10 in "),
        (["plan", *QUICK, "--data", "stl10"], "no stl10 in "),
        ([*QUICK, "--name", "../up"], "name is '../up'; it must be one folder's name"),
        ([*QUICK, "--name", "a/b"], "name is 'a/b'; it must be one folder's name"),
        ([*QUICK, "--trainer", "magic"], "unknown trainer 'magic'; choose from classifier"),
        ([*QUICK, "--published", "imagenet"], "unknown published source 'imagenet'; choose from dli14"),
        ([*QUICK, "--gpus-per-trial", "-1"], "gpus_per_trial is -1.0; it must be 0 to 1"),
        ([*QUICK, "--address", "127.0.0.1:1"], "no Ray cluster at '127.0.0.1:1'"),
        ([*QUICK, "--cpus-per-trial", "4096"], "a trial is to have 4096 CPUs"),
        (["--config", "missing.json"], "cannot read the configuration missing.json"),
        (["plan", *QUICK, "--csv", "missing/plan.csv"], "cannot write missing/plan.csv: "),
        (["plan", *QUICK, "--published", "nowhere"], "unknown published source 'nowhere'"),
        ([*QUICK, "--sample-seed", "-1"], "sample_seed is -1; it must be 0 or more"),
        (
            [*QUICK, "--axis", "num_classes=99999999999999999999"],
            "num_classes is 99999999999999999999; it must be 2 to",
        ),
        ([*QUICK, "--axis", "lr=uniform(-1e308,1e308)"], "axis lr: -1e+308 to 1e+308 is no range"),
        ([*QUICK, "--data", ""], "data is ''; it must be the name of a dataset or a path"),
        ([*QUICK, "--data", "~nosuchuser/x"], "no dataset '~nosuchuser/x'"),
        ([*QUICK, "--runs", "/dev/null"], "cannot write to /dev/null: /dev/null is not a folder"),
        ([*QUICK, "--runs", "/dev/null/x"], "cannot write to /dev/null/x: /dev/null is not a folder"),
        ([*QUICK, "--runs", "/proc/x"], "cannot write to /proc/x"),
        (["plan", *QUICK, "--csv"], "--csv needs a value; see --help"),
        ([*QUICK, "--max-macs", "-1"], "--max-macs"),
        (["plan", *QUICK, "--csv", "a\nb.csv"], r"'a\nb.csv' has characters that cannot be printed; leave them out"),
        (["promote"], "which sweep? Give its folder first"),
        (["recommend", "nowhere", "--max-latency-ms", "nan"], "max_latency_ms is nan; it must be above 0 and finite"),
        (["recommend", "nowhere", "--min-top1", "101"], "--min-top1: '101' is not 0 to 100"),
        (["recommend", "nowhere", "--min-top1", "0.7"], "--min-top1: '0.7' is in percent: did you mean 70?"),
        (["recommend"], "which networks? Give a sweep's folder, recommend runs/NAME, or a published source instead"),
        (["recommend", "nowhere", "--published", "tf_slim"], "which networks? Give a sweep's folder"),
        (["recommend", "--published", "no_such"], "unknown published source 'no_such'; choose from dli14"),
        (["ui", "--port", "0"], "port is 0; it must be 1 to 65535"),
        (["report", "nowhere"], "no sweep at nowhere: nowhere/results.jsonl does not exist"),
        (["predict", "net.onnx", "a.png"], "net.onnx is an export for other programs; give what it was made of: "),
        (["report"], "which sweep? Give its folder, report runs/NAME, or a source, report --published tf_slim"),
        (["recommend", "nowhere", "--max-macs", "100M"], "no sweep at nowhere: nowhere/results.jsonl does not exist"),
        (["recommend", "nowhere", "--max-params", "few"], "--max-params: 'few' is no number such as 3000000, 3M or"),
        (["ui"], "no MLflow store at "),
        (["list", "--all"], "Unrecognized options: --all"),
    ],
)
def test_a_mistake_is_a_one_line_error_and_starts_nothing(
    in_folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run_sweep.main(arguments) == 2

    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
    assert list(in_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({}, "has no folder train/"),
        ({"train": 0}, "has no images in class folders"),
        ({"train/cat": 3}, "has a single class, cat; a classifier needs 2 or more"),
        ({"train/cat": 3, "train/dog": 0}, "class 'dog' in"),
    ],
)
def test_a_folder_that_is_no_dataset_is_a_one_line_error(
    in_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], classes: dict[str, int], message: str
) -> None:
    for name, count in classes.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(np.zeros((9, 9, 3), dtype=np.uint8)).save(tmp_path / "data" / name / f"{i}.png")
    (tmp_path / "data").mkdir(exist_ok=True)

    assert run_sweep.main([*QUICK, "--data", str(tmp_path / "data")]) == 2

    assert message in capsys.readouterr().err
    assert list(in_folder.iterdir()) == []


def test_plan_prints_every_cell_and_writes_exact_costs(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sweep.main(["plan", "--space", "mnv2_grid", "--train.num-classes", "1000", "--csv", "plan.csv"]) == 0

    printed, noted = capsys.readouterr()
    assert noted.startswith("no prediction: these networks were never timed here; --predict does, ")
    assert "22 points on digits" in printed
    assert "300.774" in printed
    table = pd.read_csv("plan.csv")
    full = table[(table.width_mult == 1.4) & (table.resolution == 224)].iloc[0]
    assert (len(table), full.model, full.macs, full.num_params) == (22, "mobilenet_v2", 582_195_824, 6_108_776)
    assert [path.name for path in in_folder.iterdir()] == ["plan.csv"]


def test_plan_prints_predictions_and_the_points_that_a_budget_leaves_out(
    in_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    timing = Timing(train=Line(0.0, 1.0), memory=Line(1e9, 1e6), evaluate_seconds=0.0)  # a point takes 60 min
    monkeypatch.setattr(timings, "cached_timings", lambda requests, *others: [timing] * len(requests))
    arguments = ["plan", *QUICK, "--train.epochs", "3", "--gpus-per-trial", "0", "--csv", "plan.csv"]

    assert run_sweep.main([*arguments, "--max-device-hours", "3.9"]) == 0
    printed = capsys.readouterr().out
    assert " s/epoch " in printed.splitlines()[0]
    assert " on 2 trials at once, 3 device-hours, " in printed
    assert "left out, for a budget of 3.9 device-hours: 6 of 9 points, " in printed
    table = pd.read_csv("plan.csv")
    assert (table.seconds > 3 * table.seconds_per_epoch).all()
    assert (table.memory_bytes == 1e9 + 32 * 1e6).all()

    assert run_sweep.main([*arguments, "--time-budget", "30m"]) == 2
    assert "error: no point fits into a time budget of 30 min: the cheapest, " in capsys.readouterr().err


def test_a_plan_for_a_larger_machine_has_no_prediction(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sweep.main(["plan", *QUICK, "--cpus-per-trial", "4096"]) == 0

    printed, noted = capsys.readouterr()
    assert noted.startswith("no prediction: a trial is to have 4096 CPUs")
    assert "9 points on digits" in printed
    assert "predicted" not in printed
    assert run_sweep.main(["plan", *QUICK, "--cpus-per-trial", "4096", "--time-budget", "1h"]) == 2


def test_list_names_every_entry_of_the_registries(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sweep.main(["list"]) == 0

    printed = capsys.readouterr().out
    for name in (
        *SPACES,
        "mobilenet_v1",
        "mobilenet_v3_small",
        "digits",
        "cifar10[:ROOT]",
        "PATH",
        "classifier",
        "macs_top1",
        "tf_slim",
        "dli14",
    ):
        assert f"\n  {name} " in printed
    assert "34 M MACs is a typo; 30.21 M MACs" in printed


@pytest.fixture
def seeds(in_folder: Path) -> Path:
    """A sweep whose wider network has one lucky seed of two, and which has a point that was stopped early."""
    log = ResultsLog(in_folder / "runs")
    points = [("a", 0.35, 0, 90.0), ("b", 0.35, 1, 92.0), ("c", 0.5, 0, 84.0), ("d", 0.5, 1, 95.0), ("e", 1.0, 0, 99.0)]
    for point, width_mult, seed, top1 in points:
        settings = as_row(TrainConfig(width_mult=width_mult, seed=seed))
        outcome = {"point": point, "state": "PRUNED" if point == "e" else "COMPLETE", "dataset": "digits", "top1": top1}
        costs = {"macs": int(2e7 * width_mult), "num_params": int(1e6 * width_mult)}
        log.append_result(dict.fromkeys(COLUMNS) | settings | outcome | costs)
    log.close()
    return Path("runs")


def test_report_prints_the_frontier_of_means_over_seeds(seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sweep.main(["report", str(seeds)]) == 0

    [frontier] = [line for line in capsys.readouterr().out.splitlines() if "frontier:" in line]
    assert "mobilenet_v2_0.35_224 " in frontier
    assert frontier.endswith(" M params 91.00 ± 1.41 % top-1")


def test_recommend_prints_the_network_to_ship_and_the_export_command_of_its_best_seed(
    seeds: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV", raising=False)

    assert run_sweep.main(["recommend", str(seeds), "--max-macs", "20M", "--max-params", "3M"]) == 0
    assert run_sweep.main(["recommend", str(seeds), "--max-macs", "5M"]) == 2

    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "ship:      mobilenet_v2_0.35_224, 7.00 M MACs, 0.350 M params, 91.00 ± 1.41 % top-1 (2 seeds)",
        "runner-up: mobilenet_v2_0.5_224, 10.00 M MACs, 0.500 M params, 89.50 ± 7.78 % top-1 (2 seeds)",
        "           1.50 points less: within the seeds' noise (± 24.05)",  # Student's t of 2 seeds twice, 4.303, x 5.59
        "note:      the caps allow more than any network here has (10.00 M MACs, 0.50 M parameters); a larger one may "
        "be better",
        "export:    python run_sweep.py export runs/b --format onnx",
    ]
    assert (
        printed.err == "error: nothing fits: --max-macs 5M leaves none of 2 complete settings; the smallest, "
        "mobilenet_v2_0.35_224, has 7 M MACs\n"
    )


def test_recommend_chooses_from_a_published_table_without_a_sweep(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV", raising=False)

    assert run_sweep.main(["recommend", "--published", "tf_slim", "--max-macs", "100M"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "ship:      mobilenet_v3_small_1_224, 56.51 M MACs, 2.543 M params, 67.50 % top-1",
        "runner-up: mobilenet_v3_small_0.75_224, 43.40 M MACs, 2.042 M params, 65.40 % top-1",
        "           2.10 points less: more than the images' noise, but trained once each",
        "cheaper:   mobilenet_v3_small_0.75_224 on the frontier: -13.11 M MACs, -2.10 points top-1",
        "dearer:    mobilenet_v2_0.75_192 on the frontier: +97.43 M MACs, +1.20 points top-1",
        "figures:   ImageNet validation, Small dm=1 (float) in "
        "tensorflow/models:research/slim/nets/mobilenet/README.md",
        "recipe:    none here trains mobilenet_v3_small as tf_slim did; `run_sweep.py list` names all recipes",
        "train:     python run_sweep.py --space mnv3_grid --axis model=mobilenet_v3_small --axis width_mult=1 --axis "
        "resolution=224 --name mobilenet_v3_small_1_224 --data PATH",
        "measure:   python run_sweep.py latency mobilenet_v3_small:1_224",
        "export:    python run_sweep.py export torchvision:mobilenet_v3_small --format onnx (67.67 % top-1)",
    ]


def test_recommend_times_published_networks_within_the_other_caps_on_this_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only network within the caps rounds its channels to 4, which no CHECKPOINT of `latency` can express."""
    monkeypatch.delenv("UV", raising=False)
    flags = ["--max-macs", "20M", "--max-latency-ms", "1e6"]

    assert run_sweep.main(["recommend", "--published", "dli14", *flags]) == 0

    printed = capsys.readouterr()
    shipped, *_, train, export = printed.out.splitlines()
    assert re.fullmatch(r"ship: .*mobilenet_v2_0.1_224 round_nearest=4, 12.92 M MACs.*, [\d.]+ ms", shipped)
    assert " --axis width_mult=0.1 --axis resolution=224 --axis round_nearest=4 " in train
    assert train.endswith(" --recipe dli14 --name mobilenet_v2_0.1_224 --data PATH")
    assert export == "export:    python run_sweep.py export dli14:0.1_224 --format onnx (34.90 % top-1)"
    assert re.fullmatch(r"measured mobilenet_v2_0.1_224: [\d.]+ ms\n", printed.err)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (["--margin", "nan"], "margin is nan; it must be 0 to 100"),
        (["--margin", "-1"], "margin is -1.0; it must be 0 to 100"),
        (["--promoted", "runs/other/a"], "promote takes the points of the sweep as they are; leave out --promoted"),
        (["--axis", "lr=1"], "promote takes the points of the sweep as they are; leave out --axis"),
    ],
)
def test_promote_rejects_flags_that_choose_points(
    seeds: Path, capsys: pytest.CaptureFixture[str], flag: list[str], message: str
) -> None:
    (seeds / "config.json").write_text('{"space": "mnv2_quick"}')

    assert run_sweep.main(["promote", str(seeds), *flag]) == 2

    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_promotion_inherits_no_scheduler_and_no_budget(seeds: Path) -> None:
    origin = '{"space": "mnv2_quick", "scheduler": "asha", "time_budget": 60, "max_device_hours": 1, "max_failures": 9}'
    (seeds / "config.json").write_text(origin)

    promoted = parse_promotion([str(seeds), "--max-device-hours", "2"])

    assert (promoted.scheduler, promoted.time_budget, promoted.max_device_hours) == (None, None, 2)
    assert promoted.max_failures == 9


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run_sweep.main([*command, "--help"])

    assert stop.value.code == 0
    assert "usage: run_sweep.py" in capsys.readouterr().out


def test_flags_override_the_base_of_the_space() -> None:
    config = sweep_config(["--space", "mnv2_quick", "--train.epochs", "9"])

    assert (config.train.epochs, config.train.batch_size) == (9, SPACES["mnv2_quick"].base.batch_size)


@pytest.mark.parametrize("flag", [["--data", "x"], ["--data=x"], ["--train.data", "x"]])
def test_data_has_a_short_form(flag: list[str]) -> None:
    assert sweep_config([*QUICK, *flag]).train.data == "x"


@pytest.mark.parametrize("flag", [["--init", "published"], ["--init=published"], ["--train.init", "published"]])
def test_init_has_a_short_form(flag: list[str]) -> None:
    assert sweep_config([*QUICK, *flag]).train.init == "published"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", '{"space": "mnv2_grid", "axis": ["dropout=0,0.2"], "train": {"epochs": 7, "width_mult": 1}}'),
        ("config.yaml", "space: mnv2_grid\naxis: ['dropout=0,0.2']\ntrain:\n  epochs: 7\n"),
    ],
)
def test_flags_override_a_saved_configuration(in_folder: Path, name: str, text: str) -> None:
    Path(name).write_text(text)

    config = sweep_config(["--config", name, "--train.lr", "0.3"])

    assert (config.space, config.train.epochs, config.train.lr) == ("mnv2_grid", 7, 0.3)
    assert len(make_plan(config).points) == 44


def test_the_space_and_the_recipe_give_settings_that_a_file_lacks(in_folder: Path) -> None:
    Path("part.yaml").write_text("space: mnv1_grid\nrecipe: tf_slim\ntrain: {epochs: 3}")

    config = sweep_config(["--config", "part.yaml"])

    assert config == sweep_config(["--space", "mnv1_grid", "--recipe", "tf_slim", "--train.epochs", "3"])
    assert (config.train.model, config.train.optimizer) == ("mobilenet_v1", "rmsprop_tf")


def test_the_space_of_a_file_cannot_be_changed(in_folder: Path) -> None:
    Path("part.yaml").write_text("space: mnv1_grid")

    with pytest.raises(ConfigError, match=r"part\.yaml is of the space mnv1_grid, --space names mnv2_grid"):
        sweep_config(["--config", "part.yaml", "--space", "mnv2_grid"])


def test_axes_of_flags_replace_axes_of_a_saved_configuration_or_add_to_them(in_folder: Path) -> None:
    Path("saved.yaml").write_text("space: mnv2_quick\naxis: ['seed=0,1', 'lr=0.1,0.2']")

    config = sweep_config(["--config", "saved.yaml", "--axis", "dropout=0,0.2", "--axis", "lr=0.3"])

    assert config.axis == ("seed=0,1", "dropout=0,0.2", "lr=0.3")


def test_a_port_in_use_is_an_error_of_ui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mlflow.db").write_text("a store")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        assert run_sweep.main(["ui", "--runs", str(tmp_path), "--port", port]) == 2

    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: cannot listen on 127.0.0.1:{port} (")
    assert printed.out == ""


def test_compiled_modules_are_written_although_the_environment_forbids_it(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    command = [sys.executable, run_sweep.__file__, "nothing"]  # an unknown command imports little

    assert subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, timeout=60, check=False).returncode == 2
    assert any(tmp_path.rglob("yaml/*.pyc"))


def test_a_repeated_signal_changes_nothing() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit, match="143"):
            run_sweep.end_once(signal.SIGTERM, SystemExit(143))
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
