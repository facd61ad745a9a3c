"""Prints the frontier of a report, and the paths of its files."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainers.config import network_name
from trainers.errors import printable

if TYPE_CHECKING:
    from analysis.report.report import Report


def print_report(report: "Report") -> None:
    """Print the frontier of a report, and the paths of its files."""
    from analysis.results.settings import with_deviation

    if report.frontier.empty:
        print("no frontier yet: no complete point is better than always answering the most frequent class")
    rows = report.frontier.to_dict("records")
    longest = max((len(cell_name(row)) for row in rows), default=0)
    for row in rows:
        size = f"{row['macs'] / 1e6:7.2f} M MACs {row['num_params'] / 1e6:6.3f} M params"
        print(printable(f"  frontier: {cell_name(row):<{longest}} {size} {with_deviation(row):>6} % top-1"))
    print(f"report: {report.html}\nchart: {next(iter(report.charts))}\ntable: {report.markdown}")


def cell_name(row: Mapping[Any, Any]) -> str:
    """Return the name of a row's network."""
    return network_name(row["model"], row["width_mult"], row["resolution"])
