"""Tables and text for Markdown readers, safe whatever the cells hold. Knows nothing of sweeps."""

import re
from collections.abc import Sequence

PLAIN = re.compile(r"[A-Za-z0-9.%+-]*")
"""Nothing to interpret, as in the numbers that most cells are."""


def escape(text: str) -> str:
    """`text` on one line, with everything that Markdown or HTML would interpret made literal."""
    if PLAIN.fullmatch(text):
        return text
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~$])", r"\\\1", text)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)  # within a word it is literal anyway


def bold(cell: str) -> str:
    """An escaped cell in bold; an empty one stays empty."""
    return f"**{cell}**" if cell else ""


def table(header: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> str:
    """A table of escaped cells; the header is (text, rule) per column, a rule `---` (left) or `---:` (right)."""
    lines = [[text for text, _ in header], [rule for _, rule in header], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
