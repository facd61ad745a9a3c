"""Reader of the identity of a sweep: the id, the age and the images that `environment.json` in its folder names."""

import json
from pathlib import Path
from typing import Any

from analysis.results.column_types import Name, Number, Text
from analysis.results.json_lines import Schema
from trainers.errors import ConfigError, one_line

CONFIG, ENVIRONMENT = "config.json", "environment.json"
"""Files in a sweep's folder."""
IDENTITY = Schema(
    {"fingerprint": Text, "sweep_id": Name, "created_at": Number}, ("fingerprint", "sweep_id", "created_at")
)
"""Values of `environment.json` that a later start reads."""


def read_identity(folder: Path) -> dict[str, Any]:
    """Return the environment of the latest start of the sweep in `folder`, with the id of the sweep.

    Raises:
        ConfigError: the file is missing or damaged.
    """
    path = folder / ENVIRONMENT
    try:
        value = json.loads(path.read_text())
        IDENTITY.check(value)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is damaged ({one_line(error)}); restore it, or choose another --name") from error
    return value
