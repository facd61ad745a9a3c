"""Origin of a sweep, from the files in its folder: command, code, versions, machine, data, seeds."""

import json
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

MOST_IMAGES = 10**12
"""Most images of a split; a larger number is damage."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Origin of a sweep."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    """Titles and texts, such as `Command` and the command."""
    num_val: int | None = None
    """Number of images of the validation split; None where the folder does not say."""


def read_provenance(folder: Path, points: pd.DataFrame) -> Provenance:
    """Read the origin of the sweep in `folder` with the results table `points`; a missing file shortens the result."""
    try:
        made: dict[str, Any] = json.loads((folder / "environment.json").read_text())
        data, git = made["dataset"], made["git"]
        commit = f"{git['commit']}{', with changes of its own' if git['dirty'] else ''}" if git else "not known"
        rows = [
            ("Command", shlex.join(made["command"])),
            ("Commit", commit),
            ("Data", f"{data['name']}: {data['images']}; {data['note']}; fingerprint {data['fingerprint']}"),
            ("Host", f"{made['host']}, {made['platform']}, {made['cpu']}"),
            ("Versions", ", ".join(f"{n} {v}" for n, v in {"Python": made["python"], **made["versions"]}.items())),
        ]
        num_val = data.get("splits", {}).get("val") if len(set(points["dataset"])) == 1 else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        rows, num_val = [("Environment", "environment.json is missing or damaged")], None
    if len(points):
        times = sorted(points["ended_at"].dropna())
        ended = [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") for at in times[:1] + times[-1:]]
        rows += [
            ("Devices", ", ".join(sorted(set(points["device"].dropna().astype(str)))) or "none"),
            ("Seeds", ", ".join(map(str, sorted(set(points["seed"].dropna().astype(int)))))),
            ("Points ended", f"{' to '.join(ended) or 'not known'} (UTC)"),
        ]
    known = type(num_val) is int and 0 < num_val < MOST_IMAGES
    return Provenance(rows=[(name, _writable(text)) for name, text in rows], num_val=num_val if known else None)


def _writable(text: str) -> str:
    """Replace characters that JSON may hold and a file cannot."""
    return text.encode(errors="replace").decode()
