"""Schema and reader of JSON-lines files; a message names the damaged value."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, NotRequired, Required

from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from trainers.errors import ConfigError


class Schema:
    """Allowed values of each column of a row; a row may have further columns with any value."""

    def __init__(self, columns: Mapping[str, Any], needed: Collection[str]) -> None:
        """
        Args:
            columns: annotated type by name of the column, with a description for messages.
            needed: columns that every row has, never null.
        """
        self._words = {name: _description(column) for name, column in columns.items()}
        optional = {name: NotRequired[column | None] for name, column in columns.items()}
        hints = optional | {name: Required[columns[name]] for name in needed}
        row: Any = TypedDict("row", hints)  # pyright: ignore[reportArgumentType]
        row.__pydantic_config__ = ConfigDict(extra="allow", strict=True)
        self._rows: TypeAdapter[dict[str, Any]] = TypeAdapter(row)

    def parse(self, line: bytes) -> dict[str, Any]:
        """Return the row that a line of JSON holds.

        Raises:
            ValueError: the line is damaged; the message names the column.
        """
        try:
            return self._rows.validate_json(line)
        except ValidationError as error:
            raise ValueError(self._damage(error)) from None

    def check(self, row: object) -> None:
        """Raise a ValueError that names the damaged column if a value is no row of the schema."""
        try:
            self._rows.validate_python(row)
        except ValidationError as error:
            raise ValueError(self._damage(error)) from None

    def _damage(self, error: ValidationError) -> str:
        first = error.errors(include_url=False)[0]
        if not first["loc"]:
            return "it is not a JSON object"
        column = str(first["loc"][0])
        if first["type"] == "missing" or first["input"] is None:
            return f"column {column} is missing"
        return f"column {column} is {shortened(first['input'])}, not {self._words[column]}"


def _description(column: Any) -> str:
    return next(mark.description for mark in column.__metadata__ if getattr(mark, "description", None))


def read_rows(
    path: Path, schema: Schema, rule: Callable[[dict[str, Any]], str] = lambda row: ""
) -> Iterator[dict[str, Any]]:
    """Read the rows of a JSON-lines file, none if the file does not exist. An unfinished last line is left out.

    Args:
        path: the file.
        schema: allowed values of the columns.
        rule: returns what else is wrong with a row, or "" for a good row.

    Raises:
        ConfigError: a line is no JSON object, or a column is missing or wrong; the message names the column.
    """
    lines = path.read_bytes().split(b"\n") if path.is_file() else [b""]
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is empty or torn
        try:
            row = schema.parse(line)
            damage = rule(row)
        except ValueError as error:
            row, damage = {}, str(error)
        if damage:
            raise ConfigError(f"{path}, line {number} is damaged: {damage}; repair or remove the line")
        yield row


def is_cut_off(path: Path) -> bool:
    """Whether the last line of a file has no end, as a killed writer leaves a file."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
