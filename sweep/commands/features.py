"""The command `features`: images as vectors for other programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sweep.commands.checkpoint import CheckpointArguments
from sweep.commands.flags import Positional
from sweep.commands.parse import parse


@dataclass(frozen=True, kw_only=True)
class Arguments(CheckpointArguments):
    """Write the pooled features of images, before the classifier: `features` (N, C) and `files` (N,)."""

    images: Annotated[tuple[Path, ...], Positional("IMAGE...")] = ()
    """Image files."""
    out: Path = Path("features.npz")
    """The file to write, for numpy.load."""


def run(argv: Sequence[str]) -> int:
    """Write the features of images."""
    arguments = parse(argv, Arguments, "features")
    from trainers.files import check_writable
    from trainers.use.features import features, write_features

    check_writable(arguments.out)
    features_NC = features(arguments.open(), arguments.images)
    write_features(arguments.out, features_NC, arguments.images)
    print(f"features: {arguments.out}, {features_NC.shape[0]} x {features_NC.shape[1]}")
    return 0
