"""The commands about trained networks work end to end on a checkpoint of a real training."""

import csv
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import run_sweep
from trainers.config import TrainConfig
from trainers.training.classifier import train_point
from trainers.trial import Measurement, Point

Trained = tuple[Path, Measurement]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The best checkpoint of a tiny training, and the measurement of its only epoch."""
    folder = tmp_path_factory.mktemp("point")
    config = TrainConfig(num_classes=10, width_mult=0.1, resolution=16, total_stride=8, epochs=1, batch_size=128)
    [measured] = train_point(Point(id="p", config=config, folder=folder))
    return folder / "best.pt", measured


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    for name, value in (("a", 0), ("b", 200)):
        Image.fromarray(np.full((20, 30), value, dtype=np.uint8)).save(tmp_path / f"{name}.png")
    return [str(tmp_path / "a.png"), str(tmp_path / "b.png")]


def test_evaluate_reproduces_the_scores_of_the_training(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, measured = trained
    confusion = tmp_path / "confusion.csv"

    assert run_sweep.main(["evaluate", str(path), "--confusion", str(confusion)]) == 0
    assert run_sweep.main(["evaluate", str(path), "--data", "digits", "--split", "test"]) == 0

    printed = capsys.readouterr().out
    assert "mobilenet_v2_0.1_16: 360 images of digits, val\n" in printed
    assert "recall of each class, percent of its images:\n" in printed
    recalls = [float(line.split()[-1]) for line in printed.partition("recall of")[2].splitlines()[1:11]]
    assert recalls == sorted(recalls)
    assert f"balanced accuracy {sum(recalls) / 10:.2f}" in printed
    assert f"top-1 {measured.top1:.3f} %, top-5 {measured.top5:.3f} %, loss {measured.val_loss:.4f}\n" in printed
    assert f"top-1 {measured.test_top1:.3f} %, top-5 {measured.test_top5:.3f} %" in printed
    with confusion.open() as file:
        assert sum(int(count) for row in list(csv.reader(file))[1:] for count in row[1:]) == 360


def test_evaluate_takes_another_resolution(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sweep.main(["evaluate", str(trained[0]), "--resolution", "24"]) == 0

    assert "mobilenet_v2_0.1_24: 360 images of digits, val\n" in capsys.readouterr().out


def test_predict_prints_five_classes_for_each_image(
    trained: Trained, images: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_sweep.main(["predict", str(trained[0]), *images]) == 0

    for line, image in zip(capsys.readouterr().out.splitlines(), images, strict=True):
        assert line.startswith(f"{image}: ")
        guesses = [guess.split() for guess in line.removeprefix(f"{image}: ").split(", ")]
        chances = [float(chance.removesuffix("%")) for _, chance in guesses]
        assert {name for name, _ in guesses} < set("0123456789")
        assert (len(guesses), chances) == (5, sorted(chances, reverse=True))


def test_features_writes_one_row_for_each_image(trained: Trained, images: list[str], tmp_path: Path) -> None:
    assert run_sweep.main(["features", str(trained[0]), *images, "--out", str(tmp_path / "f.npz")]) == 0

    with np.load(tmp_path / "f.npz") as saved:
        assert (saved["features"].shape, saved["files"].tolist()) == ((2, 1280), images)


@pytest.mark.parametrize("format", ["torchscript", "state_dict"])
def test_export_writes_the_file_and_prints_the_difference(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str
) -> None:
    out = tmp_path / "network"

    assert run_sweep.main(["export", str(trained[0]), "--format", format, "--out", str(out)]) == 0

    assert out.stat().st_size > 100_000
    assert f"{format}: {out}; logits of real images differ by at most " in capsys.readouterr().out


@pytest.mark.parametrize("network", ["{path}", "mobilenet_v3_small:0.35_32"])
def test_latency_names_the_network_the_machine_and_the_threads(
    trained: Trained, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, network: str
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    arguments = ["--threads", "1", "--batch-size", "2", "--repeats", "5"]

    assert run_sweep.main(["latency", network.format(path=trained[0]), *arguments]) == 0

    first, pytorch, hint = capsys.readouterr().out.splitlines()
    name = "mobilenet_v2_0.1_16" if network == "{path}" else "mobilenet_v3_small_0.35_32"
    assert first == f"{name}, 2 images at once, 5 runs"
    assert re.fullmatch(r"PyTorch .+: median [\d.]+ ms, p90 [\d.]+ ms on .+, 1 thread", pytorch)
    assert hint.startswith("for ONNX Runtime too: uv run --extra export run_sweep.py latency ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "{path}", "--data", "nowhere"], "no dataset 'nowhere'"),
        (["evaluate", "{path}", "--confusion", "missing/c.csv"], "cannot write missing/c.csv"),
        (
            ["evaluate", "{path}", "--max-macs", "10M"],
            "--max-macs and --max-params choose among the networks of",
        ),
        (["evaluate", "{path}", "--split", "all"], "--split: 'all' is not allowed; choose from val, test, train"),
        (["evaluate", "{path}", "--resolution", "1"], "resolution is 1; it must be 8 to 2048"),
        (["evaluate", "{path}", "--batch-size", "0"], "batch_size is 0; it must be 2 or more"),
        (["evaluate", "nowhere"], "no checkpoint 'nowhere'; give a point runs/NAME/ID"),
        (["evaluate", "{path}", "--best"], "--best chooses from a sweep"),
        (["predict", "{path}"], "no images were given"),
        (["predict", "{path}", "missing.png"], "cannot read the image 'missing.png'"),
        (["features", "{path}", "missing.png"], "cannot read the image 'missing.png'"),
        (["export", "{path}", "--format", "tflite"], "--format: 'tflite' is not allowed; choose from onnx, "),
        (["export", "{path}", "--format", "onnx", "--out", "missing/n.onnx"], "cannot write missing/n.onnx"),
        (["latency", "{path}", "--repeats", "0"], "repeats is 0; it must be 1 or more"),
        (["latency", "mobilenet_v2:1_0"], "resolution is 0; it must be 8 to 2048"),
        (["latency", "mobilenet_v9:1_32"], "no checkpoint 'mobilenet_v9:1_32'"),
        (["evaluate", "mobilenet_v2:1_32"], "no checkpoint 'mobilenet_v2:1_32'"),
        (["predict", "dli14:1.0_225", "a.png"], "unknown published network 'dli14:1.0_225'"),
        (["evaluate", "mlflow:nothing"], "no MLflow store at "),
        (["features", "{path}", "missing.png", "--out", "missing/f.npz"], "cannot write missing/f.npz"),
    ],
)
def test_a_mistake_is_a_one_line_error_and_writes_nothing(
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    assert run_sweep.main([argument.format(path=trained[0]) for argument in arguments]) == 2

    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
    assert list((tmp_path / "work").iterdir()) == []
