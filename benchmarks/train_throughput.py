"""Training images per second: this project's trainer beside torchvision's reference recipe, on the same cores or GPU.

    uv run benchmarks/train_throughput.py --data IMAGE_FOLDER [--threads 2] [--blocks 5]

The reference is the training script of torchvision's references/classification, written out: ImageFolder, PIL's
RandomResizedCrop and flip, a DataLoader with worker processes, NCHW fp32 (on a GPU: its --amp), SGD, the loss and
accuracy meters of every step. Both train the same network at the same batch size, in alternating blocks. `synthetic` is
this project's own step on one batch that is in memory already: what an input pipeline that costs nothing would give.

Then, on CPUs, trials side by side: two processes of one thread beside one of two, and the memory that more of them
take.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the project is run from its checkout, not installed

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models import MobileNetV2

from trainers.classifier import Training
from trainers.config import TrainConfig
from trainers.measurement import Point

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
GPU = torch.cuda.is_available()
WARM_UP = 4
"""Steps of each block that are not timed: as many batches as the reference's loader holds ready on 2 cores."""
SETTLE_SECONDS = 2.0
"""Between blocks, for loaders to fill their queues and then rest."""


@dataclass(frozen=True)
class Cell:
    """A network, and how many steps of it a block takes."""

    width_mult: float
    resolution: int
    batch_size: int
    steps: int

    def __str__(self) -> str:
        return f"{self.width_mult:g}@{self.resolution}"


CPU_CELLS = (Cell(0.35, 32, 64, 60), Cell(1.0, 96, 32, 20), Cell(1.0, 224, 16, 8))
GPU_CELLS = (Cell(0.35, 32, 512, 40), Cell(1.0, 96, 256, 40), Cell(1.0, 224, 256, 20))
Run = Callable[[], float]
"""Trains one block; images per second."""


def endless(batches: Any) -> Iterator[Any]:
    """The batches of one epoch after another."""
    while True:
        yield from batches


def timed(step: Callable[[], None], cell: Cell) -> float:
    """Images per second of a block of steps, once what was loaded ahead while the others ran is used up."""
    for _ in range(WARM_UP):
        step()
    if GPU:
        torch.cuda.synchronize()
    start = time.monotonic()
    for _ in range(cell.steps):
        step()
    if GPU:
        torch.cuda.synchronize()
    return cell.steps * cell.batch_size / (time.monotonic() - start)


def ours(cell: Cell, data: str, *, synthetic: bool, folder: Path) -> Run:
    """This project's training, on the images or on one batch of them that is in memory."""
    config = TrainConfig(
        data=data, num_classes=1000, width_mult=cell.width_mult, resolution=cell.resolution, batch_size=cell.batch_size
    )
    training = Training(Point(id="benchmark", config=config, folder=folder))
    place = training.device.place
    batches = endless(training._batches("train"))  # pyright: ignore[reportPrivateUsage]
    kept = tuple(tensor.to(place) for tensor in next(batches))
    training.model.train()

    def step() -> None:
        images, labels = kept if synthetic else next(batches)
        images, labels = images.to(place, non_blocking=True), labels.to(place, non_blocking=True)
        training._step(images, labels, weight=1 / cell.batch_size)  # pyright: ignore[reportPrivateUsage]

    step()
    return lambda: timed(step, cell)


def reference(cell: Cell, data: str, *, num_workers: int) -> Run:
    """torchvision's reference recipe."""
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
    batches = endless(loader)
    model = MobileNetV2(num_classes=1000, width_mult=cell.width_mult).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=4e-5)
    scaler = torch.amp.GradScaler("cuda", enabled=GPU)
    meters: dict[str, list[float]] = {"loss": [], "top1": [], "top5": []}
    model.train()

    def step() -> None:
        images, labels = (tensor.to(device) for tensor in next(batches))
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

    step()
    return lambda: timed(step, cell)


def side_by_side(cell: Cell, data: str, processes: int, threads: int, seconds: float) -> tuple[float, float]:
    """Images per second of all `processes` training at once, and the memory (MB) that they take together."""
    arguments = [sys.executable, __file__, "--data", data, "--threads", str(threads), "--worker", str(seconds)]
    arguments += ["--cell", str(CPU_CELLS.index(cell))]
    running = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    lines = [process.communicate()[0].split() for process in running]
    return sum(float(rate) for rate, _ in lines), sum(float(memory) for _, memory in lines)


def work(cell: Cell, data: str, seconds: float) -> None:
    """What each process of `side_by_side` does: one block to warm up, then blocks for `seconds`; prints its figures."""
    with tempfile.TemporaryDirectory() as folder:
        run = ours(cell, data, synthetic=False, folder=Path(folder))
        run()
        rates: list[float] = []
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            rates.append(run())
    status = Path("/proc/self/smaps_rollup").read_text().split()
    print(statistics.median(rates), int(status[status.index("Pss:") + 1]) / 1024)  # shared pages count once in all


def show(name: str, values: list[float], unit: str) -> None:
    print(f"  {name:<28}{statistics.median(values):10.2f} {unit} ({min(values):.2f} to {max(values):.2f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="image folder: DATA/train/CLASS/IMAGE")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (all)")
    parser.add_argument("--blocks", type=int, default=5, help="alternations (5)")
    parser.add_argument(
        "--reference-workers", type=int, default=os.cpu_count(), help="its loader processes (all cores)"
    )
    parser.add_argument("--worker", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--cell", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.worker is not None:
        work(CPU_CELLS[arguments.cell], arguments.data, arguments.worker)
        return
    print(f"{torch.cuda.get_device_name() if GPU else 'CPU'}, {arguments.threads} threads, PyTorch {torch.__version__}")
    ratios: list[float] = []
    for cell in GPU_CELLS if GPU else CPU_CELLS:
        ratios.append(compare(cell, arguments))
    print(f"geometric mean of ours / reference: {statistics.geometric_mean(ratios):.2f}x")
    if not GPU:
        compare_side_by_side(arguments)


def compare(cell: Cell, arguments: argparse.Namespace) -> float:
    """Print a cell's figures; the median of ours / reference."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            "ours": ours(cell, arguments.data, synthetic=False, folder=Path(folder)),
            "reference": reference(cell, arguments.data, num_workers=arguments.reference_workers),
            "synthetic": ours(cell, arguments.data, synthetic=True, folder=Path(folder)),
        }
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(arguments.blocks):
            for name, run in runs.items():
                time.sleep(SETTLE_SECONDS)
                rates[name].append(run())
    print(f"{cell}, batch {cell.batch_size}")
    for name, values in rates.items():
        show(name, values, "images/s")
    ratio = [a / b for a, b in zip(rates["ours"], rates["reference"], strict=True)]
    show("ours / reference", ratio, "x")
    show("ours / synthetic", [a / b for a, b in zip(rates["ours"], rates["synthetic"], strict=True)], "x")
    return statistics.median(ratio)


def compare_side_by_side(arguments: argparse.Namespace) -> None:
    """Print two one-thread trials beside one two-thread trial, and what their memory is."""
    for cell in CPU_CELLS:
        two: list[float] = []
        one: list[float] = []
        memory: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(arguments.blocks):
            for processes, rates in ((2, two), (1, one)):
                rate, used = side_by_side(cell, arguments.data, processes, threads=2 // processes, seconds=5)
                rates.append(rate)
                memory[processes].append(used)
        print(f"{cell}: trials side by side")
        show("2 trials x 1 thread", two, "images/s")
        show("1 trial x 2 threads", one, "images/s")
        show("2 x 1 / 1 x 2", [a / b for a, b in zip(two, one, strict=True)], "x")
        show("memory of a second trial", [b - a for a, b in zip(memory[1], memory[2], strict=True)], "MB")


if __name__ == "__main__":
    main()
