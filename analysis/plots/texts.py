"""Texts that fit into a chart."""


def one_line(text: str, most: int) -> str:
    """`text` on one line, its end cut off beyond `most` characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
