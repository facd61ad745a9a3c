"""The command `predict`: prints the likeliest classes of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sweep.commands.checkpoint import CheckpointArguments
from sweep.commands.flags import Positional
from sweep.commands.parse import parse


@dataclass(frozen=True, kw_only=True)
class Arguments(CheckpointArguments):
    """Print the five likeliest classes of images, with their probabilities."""

    images: Annotated[tuple[Path, ...], Positional("IMAGE...")] = ()
    """Image files."""


def run(argv: Sequence[str]) -> int:
    """Print the likeliest classes of images."""
    arguments = parse(argv, Arguments, "predict")
    from trainers.use.predict import predict

    for prediction in predict(arguments.open(), arguments.images):
        guesses = ", ".join(f"{name} {chance:.1%}" for name, chance in prediction.guesses)
        print(f"{prediction.image}: {guesses}")
    return 0
