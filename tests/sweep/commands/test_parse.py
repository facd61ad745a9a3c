"""Words are parsed into typed arguments by the fields of a dataclass, or give an error that names the flag."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from sweep.commands.flags import Positional
from sweep.commands.parse import CommandLine, parse
from trainers.errors import ConfigError
from trainers.values import Duration, Percent


@dataclass(frozen=True, kw_only=True)
class Inner:
    """Settings below a prefix."""

    lr_schedule: Literal["cosine", "step"] = "cosine"
    """Shape of the rate."""
    milestones: tuple[int, ...] = ()
    """Epochs of drops."""
    sync_bn: bool = False
    """Normalise over all GPUs."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Do something.

    At length.
    """

    folder: Annotated[Path, Positional("FOLDER")]
    """The folder."""
    images: Annotated[tuple[Path, ...], Positional("IMAGE...")] = ()
    """Image files."""
    train: Inner = field(default_factory=Inner)
    """The settings."""
    axis: tuple[str, ...] = ()
    """An axis."""
    num: int | None = 3
    """A 100% number."""
    budget: Duration | None = 1800.0
    """How long."""
    share: Percent | None = None
    """How much."""


def arguments(*words: str) -> Arguments:
    """Parse a command line; the nested dataclass starts with its defaults."""
    return CommandLine(["x", *words], Arguments, "do").build({"train": Inner()})


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        (["--num", "7"], "num", 7),
        (["--num=-7"], "num", -7),
        (["--num", "-7"], "num", -7),
        (["--num", "None"], "num", None),
        (["--num", "1", "--num", "2"], "num", 2),
        (["--budget", "2m"], "budget", 120.0),
        (["--share", "70%"], "share", 70.0),
        (["--axis", "a=1", "--axis=b=2"], "axis", ("a=1", "b=2")),
        (["--train.lr-schedule", "step"], "train.lr_schedule", "step"),
        (["--train.lr_schedule=step"], "train.lr_schedule", "step"),
        (["--train.milestones", "1", "2"], "train.milestones", (1, 2)),
        (["--train.milestones", "1+2"], "train.milestones", (1, 2)),
        (["--train.sync-bn"], "train.sync_bn", True),
        (["--train.no-sync-bn"], "train.sync_bn", False),
        (["a.png", "--num", "1", "b.png"], "images", (Path("a.png"), Path("b.png"))),
    ],
)
def test_words_become_values_of_the_types_of_their_fields(words: list[str], path: str, value: Any) -> None:
    line = CommandLine(["x", *words], Arguments, "do")

    assert line.given[path] == value
    assert set(line.given) - {"folder"} == {path} | ({"num"} if path == "images" else set())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--num", "few"], "--num: 'few' is not a whole number"),
        (["--train.lr-schedule", "flat"], "--train.lr-schedule: 'flat' is not allowed; choose from cosine, step"),
        (["--train.milestones", "a"], r"--train.milestones: 'a' is not whole numbers joined by \+"),
        (["--num"], "--num needs a value; see --help"),
        (["--train.sync-bn=1"], "--train.sync-bn/--train.no-sync-bn takes no value; see --help"),
        (["--lr-shedule", "step"], "Unrecognized options: --lr-shedule, perhaps you meant --lr-schedule$"),
        (["--budgte=1h"], "Unrecognized options: --budgte, perhaps you meant --budget"),
        (["--nothing-like-it"], "Unrecognized options: --nothing-like-it, see --help"),
    ],
)
def test_a_mistake_names_the_flag_and_the_next_step(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        arguments(*words)


def test_a_missing_required_argument_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"run_sweep.py do needs FOLDER; see --help"):
        parse([], Arguments, "do")


def test_flags_override_the_base() -> None:
    base = {"num": 5, "share": 50.0, "train": Inner(lr_schedule="step", milestones=(3,))}

    built = CommandLine(["x", "--num", "6", "--train.milestones", "4"], Arguments, "do").build(base)

    assert (built.num, built.share, built.train) == (6, 50.0, Inner(lr_schedule="step", milestones=(4,)))


def test_help_lists_every_flag_with_the_defaults_of_the_base(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        CommandLine(["--help"], Arguments, "do").build({"train": Inner(lr_schedule="step")})

    text = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0
    assert text.startswith("usage: run_sweep.py do [OPTIONS] FOLDER IMAGE... Do something. At length.")
    for line in (
        "FOLDER The folder. (required)",
        "--num INT A 100% number. (default: 3)",
        "--budget TIME How long. (default: 1800s)",
        "--train.lr-schedule {cosine,step} Shape of the rate. (default: step)",
        "--train.sync-bn, --train.no-sync-bn Normalise over all GPUs. (default: False)",
    ):
        assert line in text
