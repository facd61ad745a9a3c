"""Training images per second: this project's trainer beside torchvision's reference recipe, on the same cores or GPU.

    uv run benchmarks/train_throughput.py --data IMAGE_FOLDER [--threads 2] [--blocks 5]

The reference is the training script of torchvision's references/classification, written out: ImageFolder, PIL's
RandomResizedCrop and flip, a DataLoader with worker processes, NCHW fp32 (on a GPU: its --amp), SGD, the loss and
accuracy meters of every step. Both train one network at one batch size, each in its own process, in alternating blocks.

Then this project trains real batches, and `synthetic` ones: a batch that is in memory already, as from an input
pipeline without cost. Both run in one process, as two processes with one network differ by some percent.

Then, on CPUs, two trials of one thread run beside one trial of two threads; the memory of a second trial is measured.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))  # the project is run from its checkout, not installed

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models import MobileNetV2

from trainers.training.classifier import Training
from trainers.config import TrainConfig
from trainers.hardware.device import Device
from trainers.trial import Point
from trainers.hardware.cpu import cpu_name

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
GPU = torch.cuda.is_available()
WARM_UP = 2 * (os.cpu_count() or 1)
"""Number of untimed steps of each block: the batches that a loader with a worker for each core prefetches."""
SETTLE_SECONDS = 2.0
"""Seconds between blocks, so that loaders fill their queues and then rest."""
PAIRS_PER_BLOCK = 4
"""Number of blocks of real and synthetic batches, which are many as their speeds are close together."""


@dataclass(frozen=True)
class Cell:
    """A network, and the number of its steps in a block."""

    width_mult: float
    resolution: int
    batch_size: int
    steps: int

    def __str__(self) -> str:
        return f"{self.width_mult:g}@{self.resolution}"


CPU_CELLS = (Cell(0.35, 32, 64, 60), Cell(1.0, 96, 32, 20), Cell(1.0, 224, 16, 8))
GPU_CELLS = (Cell(0.35, 32, 512, 200), Cell(1.0, 96, 256, 150), Cell(1.0, 224, 256, 60))
Batch = tuple[torch.Tensor, torch.Tensor]
"""Images (B, 3, R, R) and labels (B,)."""
Step = Callable[[torch.Tensor, torch.Tensor], None]


class Workload(NamedTuple):
    """The training step of a contestant, and its batches."""

    batches: Iterator[Batch]
    """Endless batches."""
    step: Step


def endless(batches: Any) -> Iterator[Any]:
    """Yield the batches of one epoch after another."""
    while True:
        yield from batches


def timed(step: Step, batches: Iterator[Batch], cell: Cell) -> float:
    """Return the images per second of a block of steps, after the batches prefetched during other blocks."""
    for _ in range(WARM_UP):
        step(*next(batches))
    if GPU:
        torch.cuda.synchronize()
    start = time.monotonic()
    for _ in range(cell.steps):
        step(*next(batches))
    if GPU:
        torch.cuda.synchronize()
    return cell.steps * cell.batch_size / (time.monotonic() - start)


def ours(cell: Cell, data: str, folder: Path) -> Workload:
    """Return this project's training."""
    config = TrainConfig(
        data=data, num_classes=1000, width_mult=cell.width_mult, resolution=cell.resolution, batch_size=cell.batch_size
    )
    training = Training(Point(id="benchmark", config=config, folder=folder))
    place = training.device.place
    batches = training._batches("train")  # pyright: ignore[reportPrivateUsage]
    for _ in batches:  # has every image mapped, as after an epoch
        pass
    training.model.train()

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        images, labels = images.to(place, non_blocking=True), labels.to(place, non_blocking=True)
        training._step(images, labels, images_per_step=cell.batch_size)  # pyright: ignore[reportPrivateUsage]

    return Workload(endless(batches), step)


def reference(cell: Cell, data: str, *, num_workers: int) -> Workload:
    """Return torchvision's reference recipe."""
    crop = transforms.Compose(
        [
            transforms.RandomResizedCrop(cell.resolution),
            transforms.RandomHorizontalFlip(),
            transforms.PILToTensor(),
            transforms.ConvertImageDtype(torch.float),
            transforms.Normalize(MEAN, STD),
        ]
    )
    device = torch.device("cuda" if GPU else "cpu")
    loader = DataLoader(
        ImageFolder(os.path.join(data, "train"), crop),
        batch_size=cell.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=num_workers,
        pin_memory=GPU,
        persistent_workers=num_workers > 0,
    )
    model = MobileNetV2(num_classes=1000, width_mult=cell.width_mult).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=4e-5)
    scaler = torch.amp.GradScaler("cuda", enabled=GPU)
    meters: dict[str, list[float]] = {"loss": [], "top1": [], "top5": []}
    model.train()

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        images, labels = images.to(device), labels.to(device)
        with torch.autocast(device.type, torch.float16, enabled=GPU):
            logits = model(images)
            loss = criterion(logits, labels)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        guesses = logits.topk(5, 1).indices
        right = guesses == labels[:, None]
        meters["loss"].append(loss.item())
        meters["top1"].append(right[:, 0].float().mean().item())
        meters["top5"].append(right.any(1).float().mean().item())

    return Workload(endless(loader), step)


def serve(contestant: str, cell: Cell, data: str, num_workers: int) -> None:
    """Run a contestant's process: for every line of input, train a block of these batches; print speed and memory."""
    with tempfile.TemporaryDirectory() as folder:
        if contestant == "reference":
            real, step = reference(cell, data, num_workers=num_workers)
        else:
            real, step = ours(cell, data, Path(folder))
        place = torch.device("cuda" if GPU else "cpu")
        images, labels = next(real)
        batches = {"real": real, "synthetic": repeat((images.to(place), labels.to(place)))}
        timed(step, real, cell)
        print("ready", flush=True)
        for line in sys.stdin:
            print(timed(step, batches[line.strip()], cell), *memory(), flush=True)


def memory() -> tuple[float, float]:
    """Return the memory of this process and of its mapped images in MB; processes split the pages that they share."""
    pss = {True: 0, False: 0}
    of_images = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line.startswith("Pss:"):
            pss[of_images] += int(line.split()[1])
        elif ":" not in line.split()[0]:  # a mapping's first line, which ends with its file
            of_images = line.endswith("/pixels.bin")
    return sum(pss.values()) / 1024, pss[True] / 1024


class Contestant:
    """A training in its own process, as thread pools and allocator of one training would slow down another."""

    def __init__(self, name: str, cell: Cell, arguments: argparse.Namespace, *, threads: int) -> None:
        cells = GPU_CELLS if GPU else CPU_CELLS
        options = {"data": arguments.data, "threads": threads, "reference-workers": arguments.reference_workers}
        options |= {"serve": name, "cell": cells.index(cell)}
        command = [sys.executable, __file__, *(f"--{key}={value}" for key, value in options.items())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self._process.stdout.readline()  # it is ready; two that set up at once would hold each other up for minutes

    def start(self, batches: str) -> None:
        """Begin a block of `real` or `synthetic` batches."""
        assert self._process.stdin
        print(batches, file=self._process.stdin, flush=True)

    def result(self) -> tuple[float, float, float]:
        """Return the images per second of the block, the memory, and the memory of mapped images, in MB."""
        assert self._process.stdout
        rate, total, images = map(float, self._process.stdout.readline().split())
        return rate, total, images

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def together(contestants: Sequence[Contestant], batches: str = "real") -> list[tuple[float, float, float]]:
    """Have all contestants run a block at once; return their results."""
    for contestant in contestants:
        contestant.start(batches)
    return [contestant.result() for contestant in contestants]


def show(name: str, values: list[float], unit: str) -> None:
    print(f"  {name:<28}{statistics.median(values):10.2f} {unit} ({min(values):.2f} to {max(values):.2f})", flush=True)


def ratios(rates: dict[str, list[float]], a: str, b: str) -> list[float]:
    return [x / y for x, y in zip(rates[a], rates[b], strict=True)]


def compare(cell: Cell, arguments: argparse.Namespace) -> float:
    """Print a cell's figures beside the reference's; return the median of ours / reference."""
    names = ("ours", "reference")
    contestants = {name: Contestant(name, cell, arguments, threads=arguments.threads) for name in names}
    rates: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(arguments.blocks):
        for name, contestant in contestants.items():
            time.sleep(SETTLE_SECONDS)
            ((rate, _, _),) = together([contestant])
            rates[name].append(rate)
    for contestant in contestants.values():
        contestant.close()
    print(f"{cell}, batch {cell.batch_size}")
    for name, values in rates.items():
        show(name, values, "images/s")
    show("ours / reference", ratios(rates, *names), "x")
    return statistics.median(ratios(rates, *names))


def compare_input(cell: Cell, arguments: argparse.Namespace) -> None:
    """Print the speed of real batches beside that of synthetic ones, in pairs of blocks in alternating order."""
    trial = Contestant("ours", cell, arguments, threads=arguments.threads)
    names = ("real", "synthetic")
    rates: dict[str, list[float]] = {name: [] for name in names}
    for block in range(PAIRS_PER_BLOCK * arguments.blocks):
        for name in names if block % 2 == 0 else reversed(names):
            time.sleep(SETTLE_SECONDS if GPU else 0)  # on CPUs nothing is loaded ahead
            ((rate, _, _),) = together([trial], name)
            rates[name].append(rate)
    trial.close()
    print(f"{cell}: input")
    for name, values in rates.items():
        show(name, values, "images/s")
    show("real / synthetic", ratios(rates, *names), "x")


def compare_side_by_side(cell: Cell, arguments: argparse.Namespace) -> None:
    """Print the speed of two one-thread trials beside one two-thread trial, and the memory of the second trial."""
    one = [Contestant("ours", cell, arguments, threads=2)]
    two = [Contestant("ours", cell, arguments, threads=1) for _ in range(2)]
    rates: dict[str, list[float]] = {"two": [], "one": []}
    for _ in range(arguments.blocks):
        for name, trials in (("two", two), ("one", one)):
            time.sleep(SETTLE_SECONDS)
            rates[name].append(sum(rate for rate, _, _ in together(trials)))
    for trial in (*one, *two):
        trial.close()
    print(f"{cell}: trials side by side")
    show("2 trials x 1 thread", rates["two"], "images/s")
    show("1 trial x 2 threads", rates["one"], "images/s")
    show("2 x 1 / 1 x 2", ratios(rates, "two", "one"), "x")


def compare_memory(cell: Cell, arguments: argparse.Namespace) -> None:
    """Print the memory of one trial and of two trials, and the part that decoded images take."""
    found: list[tuple[float, float]] = []
    for count in (1, 2):
        trials = [Contestant("ours", cell, arguments, threads=1) for _ in range(count)]
        results = together(trials)
        for trial in trials:
            trial.close()
        found.append((sum(total for _, total, _ in results), sum(images for _, _, images in results)))
        print(f"{count} x {cell}: {found[-1][0]:.0f} MB, of which decoded images {found[-1][1]:.0f} MB")
    (total, images), (total_of_two, images_of_two) = found
    print(f"a second trial adds {total_of_two - total:.0f} MB, {images_of_two - images:.0f} MB of it decoded images")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="image folder: DATA/train/CLASS/IMAGE")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (all)")
    parser.add_argument("--blocks", type=int, default=5, help="alternations (5)")
    parser.add_argument(
        "--reference-workers", type=int, default=os.cpu_count(), help="its loader processes (all cores)"
    )
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--cell", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cells = GPU_CELLS if GPU else CPU_CELLS
    if arguments.serve:
        serve(arguments.serve, cells[arguments.cell], arguments.data, arguments.reference_workers)
        return
    name = torch.cuda.get_device_name() if GPU else cpu_name()
    print(f"{name}, {arguments.threads} threads, PyTorch {torch.__version__}, precision {Device.of(TrainConfig())}")
    medians = [compare(cell, arguments) for cell in cells]
    print(f"geometric mean of ours / reference: {statistics.geometric_mean(medians):.2f}x")
    for cell in cells:
        compare_input(cell, arguments)
    if not GPU:
        for cell in cells:
            compare_side_by_side(cell, arguments)
        compare_memory(CPU_CELLS[1], arguments)


if __name__ == "__main__":
    main()
