"""What is done with a trained network from the command line: score it, ask it, export it, time it."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from sweep.commands.parse import parse, say_aside
from trainers.errors import counted, without_credentials

if TYPE_CHECKING:
    from trainers.weights.network import Network


@dataclass(frozen=True, kw_only=True)
class CheckpointArguments:
    """Which network a command is about."""

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """A point runs/NAME/ID, a sweep runs/NAME with --best, a .pt or .pth file, mlflow:RUN_ID, or a published network
    such as dli14:0.35_224; `run_sweep.py list` names them."""
    best: bool = False
    """CHECKPOINT is a sweep: take its COMPLETE point of the highest top-1."""
    resolution: int | None = None
    """Height and width of the input, px; unset: the network's own, or 224 where a file does not say."""
    runs: Path = Path("runs")
    """Where the MLflow store lies."""
    tracking_uri: str | None = None
    """MLflow server or store; unset: MLFLOW_TRACKING_URI, else an SQLite file in the folder `runs`."""

    def open(self) -> "Network":
        """The network."""
        from sweep.networks.checkpoints import open_checkpoint

        network = open_checkpoint(self.checkpoint, best=self.best, runs=self.runs, tracking_uri=self.tracking_uri)
        return network.at(self.resolution)


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments(CheckpointArguments):
    """Score a network on every image of a split."""

    data: str | None = None
    """The images, as for a sweep; unset: those that the network was trained on."""
    split: Literal["val", "test", "train"] = "val"
    """Which of them; `train` without augmentation."""
    batch_size: int | None = None
    """Images at once, 2 or more, which does not change the result; unset: as in training."""
    confusion: Path | None = None
    """Also write the counts of true classes (rows) and first guesses (columns) to this CSV file."""


@dataclass(frozen=True, kw_only=True)
class PredictArguments(CheckpointArguments):
    """Print the five likeliest classes of images, with their probabilities."""

    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGE...")]
    """Image files."""


@dataclass(frozen=True, kw_only=True)
class FeaturesArguments(CheckpointArguments):
    """Write the pooled features of images, before the classifier: `features` (N, C) and `files` (N,)."""

    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGE...")]
    """Image files."""
    out: Path = Path("features.npz")
    """The file to write, for numpy.load."""


@dataclass(frozen=True, kw_only=True)
class ExportArguments(CheckpointArguments):
    """Write a network for other programs, checked against PyTorch on real images."""

    format: Literal["onnx", "torchscript", "state_dict"]
    """ONNX and TorchScript take normalised images and carry the class names; a state dict has torchvision's names."""
    out: Path | None = None
    """The file to write; unset: one in the working directory, named for the network."""


@dataclass(frozen=True, kw_only=True)
class LatencyArguments(CheckpointArguments):
    """Measure how long a network takes on this machine. CHECKPOINT may also be an untrained one, MODEL:WIDTH_RESOLUTION
    such as mobilenet_v2:0.35_96."""

    threads: int | None = None
    """CPU threads; unset: as many as PyTorch takes by itself."""
    batch_size: int = 1
    """Images in each run."""
    repeats: int = 100
    """Runs that are counted, after some to warm up."""


def evaluate(argv: Sequence[str]) -> int:
    """Score a network."""
    arguments = parse(argv, EvaluateArguments, "evaluate")
    from trainers.files import check_writable
    from trainers.use.score import evaluate_network, write_confusion

    if arguments.confusion is not None:
        check_writable(arguments.confusion)
    network = arguments.open()
    found = evaluate_network(
        network, arguments.data, arguments.split, batch_size=arguments.batch_size, announce=say_aside
    )
    scores = found.scores
    damaged = f" ({counted(found.num_damaged, 'damaged image')} left out)" if found.num_damaged else ""
    print(f"{network.name}: {counted(found.num_images, 'image')} of {found.dataset}, {arguments.split}{damaged}")
    print(f"top-1 {scores.top1:.3f} %, top-5 {scores.top5:.3f} %, loss {scores.loss:.4f}")
    if arguments.confusion is not None:
        write_confusion(arguments.confusion, found, network.classes)
        print(f"confusion: {arguments.confusion}")
    return 0


def predict(argv: Sequence[str]) -> int:
    """Print what images show."""
    arguments = parse(argv, PredictArguments, "predict")
    from trainers.use.predict import predict

    for prediction in predict(arguments.open(), arguments.images):
        guesses = ", ".join(f"{name} {chance:.1%}" for name, chance in prediction.guesses)
        print(f"{prediction.image}: {guesses}")
    return 0


def features(argv: Sequence[str]) -> int:
    """Write the features of images."""
    arguments = parse(argv, FeaturesArguments, "features")
    from trainers.files import check_writable
    from trainers.use.features import features, write_features

    check_writable(arguments.out)
    found = features(arguments.open(), arguments.images)
    write_features(arguments.out, found, arguments.images)
    print(f"features: {arguments.out}, {found.shape[0]} x {found.shape[1]}")
    return 0


def export(argv: Sequence[str]) -> int:
    """Write a network for other programs."""
    arguments = parse(argv, ExportArguments, "export")
    from trainers.files import check_writable
    from trainers.use.export import export

    if arguments.out is not None:
        check_writable(arguments.out)
    written = export(arguments.open(), arguments.format, arguments.out)
    print(f"{arguments.format}: {written.path}; logits of real images differ by at most {written.max_difference:.2g}")
    return 0


def latency(argv: Sequence[str]) -> int:
    """Print how long a network takes."""
    arguments = parse(argv, LatencyArguments, "latency")
    from sweep.networks.checkpoints import open_untrained
    from trainers.use.latency import has_onnx, measure_latency

    untrained = open_untrained(arguments.checkpoint)
    network = untrained.at(arguments.resolution) if untrained else arguments.open()
    found = measure_latency(
        network, num_threads=arguments.threads, batch_size=arguments.batch_size, num_repeats=arguments.repeats
    )
    print(f"{network.name}, {counted(arguments.batch_size, 'image')} at once, {counted(arguments.repeats, 'run')}")
    for each in found:
        times = f"median {each.median_ms:.3f} ms, p90 {each.p90_ms:.3f} ms"
        print(f"{each.runtime}: {times} on {each.device}, {counted(each.num_threads, 'thread')}")
    if not has_onnx():
        again = shlex.join(map(without_credentials, argv))
        print(f"for ONNX Runtime too: uv run --extra export run_sweep.py latency {again}")
    return 0


CHECKPOINT_COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = MappingProxyType(
    {"evaluate": evaluate, "predict": predict, "features": features, "export": export, "latency": latency}
)
"""By name; each takes its arguments and returns the exit code."""
