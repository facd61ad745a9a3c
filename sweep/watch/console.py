"""The console of a sweep."""

from functools import partial

from rich.console import Console

plain_console = partial(Console, markup=False, emoji=False, highlight=False)
"""Opens a console that changes no text: names and reasons of users and libraries have brackets and colons."""
