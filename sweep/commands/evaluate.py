"""The command `evaluate`: measures the accuracy of a network on a split."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from sweep.commands.checkpoint import CheckpointArguments
from sweep.commands.parse import parse
from sweep.commands.program import say_aside
from trainers.errors import counted, printable

if TYPE_CHECKING:
    from trainers.use.score import Evaluation

MOST_CLASSES = 20
"""Most classes whose recall is printed; --confusion writes all."""


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


def by_class(result: "Evaluation", classes: Sequence[str]) -> list[str]:
    """Return lines with the recall of each class, the least first, and balanced accuracy: the mean recall."""
    recalls = zip(result.recalls.tolist(), classes, strict=True)
    scored = [(share, name) for share, name in recalls if not math.isnan(share)]
    least = sorted(scored)[:MOST_CLASSES]
    longest = max(len(name) for _, name in least)
    more = f" (the {MOST_CLASSES} lowest of {len(scored)} classes)" if len(scored) > MOST_CLASSES else ""
    return [
        f"recall of each class{more}, percent of its images:",
        *(f"  {name:<{longest}} {100 * share:6.2f}" for share, name in least),
        f"balanced accuracy {100 * fmean(share for share, _ in scored):.3f} %: the mean of the recalls",
    ]


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
    for line in by_class(result, network.classes):
        print(printable(line))
    if arguments.confusion is not None:
        write_confusion(arguments.confusion, result, network.classes)
        print(f"confusion: {arguments.confusion}")
    return 0
