"""People write numbers with units; a text without a number is refused."""

import re

import pytest

from trainers.units import parse_amount, parse_duration, parse_percent


@pytest.mark.parametrize(
    ("text", "expected"), [("100M", 1e8), ("1.5G", 1.5e9), ("250k", 2.5e5), ("30", 30.0), ("1e6", 1e6), (" 3m ", 3e6)]
)
def test_an_amount_may_have_a_unit(text: str, expected: float) -> None:
    assert parse_amount(text) == expected


@pytest.mark.parametrize("text", ["", "M", "100 MB", "-1M", "0", "nan", "inf", "1e400", "1M2"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        parse_amount(text)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), (" 2m ", 120)])
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "h", "-1m", "0s", "nanh", "infs", "1d", "1h30m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
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
def test_a_text_without_a_percentage_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_percent(text)
