"""The command `evaluate`: measures the accuracy of a network on a split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sweep.commands.checkpoint import CheckpointArguments
from sweep.commands.parse import parse
from sweep.commands.program import say_aside
from trainers.errors import counted


@dataclass(frozen=True, kw_only=True)
class Arguments(CheckpointArguments):
    """Score a network on every image of a split."""

    data: str | None = None
    """The dataset, as for a sweep; unset: the dataset that the network was trained on."""
    split: Literal["val", "test", "train"] = "val"
    """The split; `train` is scored without augmentation."""
    batch_size: int | None = None
    """Number of images at once, 2 or more, which does not change the result; unset: as in training."""
    confusion: Path | None = None
    """Also write the confusion matrix, true classes in rows and first guesses in columns, to this CSV file."""


def run(argv: Sequence[str]) -> int:
    """Print the scores of a network."""
    arguments = parse(argv, Arguments, "evaluate")
    from trainers.files import check_writable
    from trainers.use.score import evaluate_network, write_confusion

    if arguments.confusion is not None:
        check_writable(arguments.confusion)
    network = arguments.open()
    result = evaluate_network(
        network, arguments.data, arguments.split, batch_size=arguments.batch_size, announce=say_aside
    )
    damaged = f" ({counted(result.num_damaged, 'damaged image')} left out)" if result.num_damaged else ""
    print(f"{network.name}: {counted(result.num_images, 'image')} of {result.dataset}, {arguments.split}{damaged}")
    print(f"top-1 {result.scores.top1:.3f} %, top-5 {result.scores.top5:.3f} %, loss {result.scores.loss:.4f}")
    if arguments.confusion is not None:
        write_confusion(arguments.confusion, result, network.classes)
        print(f"confusion: {arguments.confusion}")
    return 0
