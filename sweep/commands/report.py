"""The command `report`: writes the report of a sweep again from its logs."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sweep.commands.flags import Positional
from sweep.commands.frontier_lines import print_report
from sweep.commands.parse import parse
from trainers.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Write the page, charts and tables of a sweep again from its logs, or of a published source alone."""

    folder: Annotated[Path | None, Positional("FOLDER")] = None
    """The sweep's folder, such as runs/mnv2_quick-digits; unset: the published source alone."""
    published: str | None = None
    """Published table to draw beside a sweep on ImageNet, or `none`; unset: tf_slim."""
    out: Path | None = None
    """The folder of the report; unset: `report` in the sweep's folder, or published-NAME in the working directory."""


def run(argv: Sequence[str]) -> int:
    """Write the report of a sweep again."""
    arguments = parse(argv, Arguments, "report")
    from analysis.report.report import write_published, write_report
    from analysis.results.read import cut_off_notes

    if arguments.folder is None:
        if arguments.published in (None, "none"):
            raise ConfigError("which sweep? Give its folder, report runs/NAME, or a source, report --published tf_slim")
        report = write_published(arguments.published, arguments.out or Path(f"published-{arguments.published}"))
    else:
        report = write_report(arguments.folder, published=arguments.published, out=arguments.out)
        notes = [*cut_off_notes(arguments.folder), *([report.note] if arguments.published and report.note else [])]
        for note in notes:
            print(note, file=sys.stderr)
    print_report(report)
    return 0
