"""What the program says about itself: the command line that starts a command, lines beside the output, and its age."""

import os
import shlex
import sys
import time

from trainers.errors import without_credentials

STARTED_AT = time.monotonic()
"""When the program started."""


def command_line(*words: str) -> str:
    """The command line that runs this program with `words`, as the user started it, without credentials."""
    start = ["uv", "run"] if "UV" in os.environ else ["python"]
    return shlex.join([*start, "run_sweep.py", *map(without_credentials, words)])


def say_aside(line: str) -> None:
    """Print a line to standard error, beside the output."""
    print(line, file=sys.stderr, flush=True)
