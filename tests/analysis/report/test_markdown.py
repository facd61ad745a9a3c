"""Escaped text appears in Markdown exactly as it was written."""

import pytest

from analysis.report.markdown import bold, escape, table


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain", "plain"),
        ("a|b", r"a\|b"),
        ("two\nlines", "two lines"),
        ("a\r\n\tb", "a b"),
        (r"C:\data", r"C:\\data"),
        (r"\|", r"\\\|"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("*bold* `code`", r"\*bold\* \`code\`"),
        ("[text](url)", r"\[text\](url)"),
        ("mobilenet_v2_0.35_96", "mobilenet_v2_0.35_96"),
        ("_slanted_", r"\_slanted\_"),
        ("$x$", r"\$x\$"),
        ("", ""),
    ],
)
def test_escaped_text_is_literal_and_on_one_line(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@pytest.mark.parametrize(("cell", "expected"), [("1.5", "**1.5**"), ("", "")])
def test_bold_leaves_empty_cells_empty(cell: str, expected: str) -> None:
    assert bold(cell) == expected


def test_table_has_a_header_a_rule_and_a_line_per_row() -> None:
    text = table([("a", "---"), ("b", "---:")], [["1", "2"], ["3", ""]])

    assert text == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n| 3 |  |\n"
