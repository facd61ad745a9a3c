"""The program's command line, start time and messages beside the output."""

import os
import shlex
import sys
import time

from trainers.errors import without_credentials

STARTED_AT = time.monotonic()
"""Start of the program on the monotonic clock."""


def command_line(*words: str) -> str:
    """Return the command line that runs this program with `words`, as the user started it, without credentials."""
    start = ["uv", "run"] if "UV" in os.environ else ["python"]
    return shlex.join([*start, "run_sweep.py", *map(without_credentials, words)])


def say_aside(line: str) -> None:
    """Print a line to standard error, beside the output."""
    print(line, file=sys.stderr, flush=True)
