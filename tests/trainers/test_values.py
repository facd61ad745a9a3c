"""Text is parsed to the type of its field, or refused with the field's name."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from trainers.config import TrainConfig, as_row, field_names
from trainers.errors import ConfigError
from trainers.values import accepts, parse_amount, parse_duration, parse_field, parse_percent


@dataclass
class EveryType:
    """A configuration with one field of every type that is allowed."""

    whole: int = 1
    real: float = 1.0
    word: str = ""
    flag: bool = False
    place: Path = Path()
    unset: int | None = None
    rate: float | None = None
    kind: Literal["a", "b"] = "a"
    size: Literal[4, 8] = 4
    maybe: Literal["x"] | None = None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("whole", "12", 12),
        ("whole", "-3", -3),
        ("real", "0.5", 0.5),
        ("real", "5e-3", 0.005),
        ("real", "2", 2.0),
        ("word", "a b", "a b"),
        ("word", "12", "12"),
        ("flag", "True", True),
        ("flag", "False", False),
        ("place", "/data/x", Path("/data/x")),
        ("unset", "7", 7),
        ("rate", "0.1", 0.1),
        ("kind", "b", "b"),
        ("size", "8", 8),
        ("maybe", "x", "x"),
    ],
)
def test_text_is_parsed_to_the_type_of_its_field(name: str, text: str, value: Any) -> None:
    parsed = parse_field(EveryType, name, text)

    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("whole", "1.5", "whole: '1.5' is not a whole number"),
        ("whole", "", "whole: '' is not a whole number"),
        ("real", "fast", "real: 'fast' is not a number"),
        ("unset", "None", "unset: 'None' is not a whole number"),
        ("rate", "x", "rate: 'x' is not a number"),
        ("flag", "yes", "flag: 'yes' is not True or False"),
        ("flag", "1", "flag: '1' is not True or False"),
        ("kind", "c", "kind: 'c' is not allowed; choose from a, b"),
        ("kind", "A", "kind: 'A' is not allowed; choose from a, b"),
        ("size", "5", "size: '5' is not allowed; choose from 4, 8"),
        ("size", "8.0", "size: '8.0' is not allowed; choose from 4, 8"),
    ],
)
def test_text_of_another_type_is_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_field(EveryType, name, text)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    "name", [name for name in field_names(TrainConfig) if not accepts(TrainConfig, name, type(None))]
)
def test_default_of_every_training_field_is_parsed_back_from_its_text(name: str) -> None:
    default = getattr(TrainConfig(), name)

    assert parse_field(TrainConfig, name, str(default)) == default


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("real", float, True),
        ("rate", float, True),
        ("whole", float, False),
        ("unset", int, True),
        ("word", float, False),
        ("kind", str, False),
    ],
)
def test_accepts_follows_the_type_of_the_field(name: str, kind: type, expected: bool) -> None:
    assert accepts(EveryType, name, kind) is expected


def test_field_names_keep_their_order() -> None:
    assert field_names(EveryType)[:3] == ["whole", "real", "word"]


@pytest.mark.parametrize("text", ["105+125", "(105, 125)", "[105, 125]", "105,125"])
def test_whole_numbers_are_read_from_flags_axes_and_files(text: str) -> None:
    assert parse_field(TrainConfig, "lr_milestones", text) == (105, 125)


@pytest.mark.parametrize(("text", "expected"), [("()", ()), ("[]", ()), ("(105,)", (105,))])
def test_short_tuples_are_read(text: str, expected: tuple[int, ...]) -> None:
    assert parse_field(TrainConfig, "lr_milestones", text) == expected


def test_milestones_that_are_no_whole_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"lr_milestones: 'a\+b' is not whole numbers"):
        parse_field(TrainConfig, "lr_milestones", "a+b")


@pytest.mark.parametrize(("milestones", "text"), [((105, 125), "105+125"), ((), "")])
def test_row_of_a_config_has_plain_values_that_parse_back(milestones: tuple[int, ...], text: str) -> None:
    row = as_row(TrainConfig(lr_milestones=milestones))

    assert list(row) == field_names(TrainConfig)
    assert (row["lr_milestones"], row["lr"], row["ema_decay"]) == (text, 0.05, None)
    assert parse_field(TrainConfig, "lr_milestones", text) == milestones


@pytest.mark.parametrize(
    ("text", "expected"), [("100M", 1e8), ("1.5G", 1.5e9), ("250k", 2.5e5), ("30", 30.0), ("1e6", 1e6), (" 3m ", 3e6)]
)
def test_an_amount_may_have_a_unit(text: str, expected: float) -> None:
    assert parse_amount(text) == expected


@pytest.mark.parametrize("text", ["", "M", "100 MB", "-1M", "0", "nan", "inf", "1e400", "1M2"])
def test_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        parse_amount(text)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), (" 2m ", 120)])
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "h", "-1m", "0s", "nanh", "infs", "1d", "1h30m"])
def test_text_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        parse_duration(text)


@pytest.mark.parametrize(("text", "percent"), [("70", 70), ("70%", 70), ("0.5%", 0.5), ("0", 0), (" 100 % ", 100)])
def test_a_percentage_may_have_its_sign(text: str, percent: float) -> None:
    assert parse_percent(text) == percent


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("most", "no percentage such as 70"),
        ("101", "not 0 to 100"),
        ("nan", "not 0 to 100"),
        ("0.7", "did you mean 70?"),
    ],
)
def test_text_that_is_no_percentage_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_percent(text)
