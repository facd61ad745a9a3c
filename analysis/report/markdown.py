"""Markdown tables and texts, safe for any content of the cells. Knows nothing of sweeps."""

import re
from collections.abc import Sequence

PLAIN = re.compile(r"[A-Za-z0-9.%+-]*")
"""Text without special characters, such as a number."""


def escape(text: str) -> str:
    """Escape everything that Markdown or HTML would interpret, and put the text on one line."""
    if PLAIN.fullmatch(text):
        return text
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~$])", r"\\\1", text)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)  # within a word it is literal anyway


def bold(cell: str) -> str:
    """Put an escaped cell in bold; an empty cell stays empty."""
    return f"**{cell}**" if cell else ""


def table(header: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> str:
    """Write a table of escaped cells; the header is (text, rule) per column, a rule `---` (left) or `---:` (right)."""
    lines = [[text for text, _ in header], [rule for _, rule in header], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
