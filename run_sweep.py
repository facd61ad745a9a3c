#!/usr/bin/env python3
"""Sweeps MobileNets in parallel and draws which one to ship: runs the command of the command line, sets the exit code.

Exit codes: 0 success, 1 a trial failed, 2 a mistake of the user, 130 interrupted, 143 terminated.
"""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # during the imports, which take seconds
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        # many container images set it, and every process of a sweep would then compile all of PyTorch again
        sys.dont_write_bytecode = False

from search_spaces.registry import SPACES
from sweep.commands.program import command_line
from sweep.commands.registry import COMMANDS
from trainers.errors import ConfigError, check_printable, one_line, unknown_choice


def main(argv: Sequence[str]) -> int:
    """Run the command that `argv` names, by default `sweep`; return the exit code."""
    try:
        for word in argv:
            check_printable(word)
        name, words = split_command(argv)
        return COMMANDS[name].run(words)
    except ConfigError as error:
        print(f"error: {one_line(error, longest=1000)}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the output, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # such as a full disk, a read-only folder, or a file system that is gone
        print(f"error: {'; '.join([one_line(error), *getattr(error, '__notes__', [])])}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; continue with: {command_line(*argv)}", file=sys.stderr)
        return 130


def split_command(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the command that `argv` starts with, by default `sweep`, and the words after it."""
    if not argv or argv[0].startswith("-"):
        return "sweep", argv
    if argv[0] in SPACES:
        raise ConfigError(f"{argv[0]} is a search space: give it as --space {argv[0]}")
    if argv[0] not in COMMANDS:
        raise unknown_choice("command", argv[0], COMMANDS)
    return argv[0], argv[1:]


def end_once(number: signal.Signals, error: BaseException) -> None:
    """Raise `error`, and ignore the signal from now on: `uv run` forwards a signal that this process has received."""
    signal.signal(number, signal.SIG_IGN)
    raise error


if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: end_once(signal.SIGINT, KeyboardInterrupt()))
    signal.signal(signal.SIGTERM, lambda *_: end_once(signal.SIGTERM, SystemExit(143)))
    gc.set_threshold(100_000, 20, 20)  # Python's default suits programs with fewer objects than PyTorch alone has
    exit_code = main(sys.argv[1:])
    with suppress(OSError):  # the reader of the output has ended
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(exit_code)  # skips the exit handlers of Ray and MLflow, which take seconds; everything is closed
