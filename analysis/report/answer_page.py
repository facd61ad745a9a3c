"""The short Markdown page of a sweep: which network to ship for a few budgets, and where to read more."""

from collections.abc import Sequence

import pandas as pd

from analysis.advice.answer import Answer, no_answer, spent
from analysis.report.markdown import escape, table
from analysis.results.settings import was_trained

READ_MORE, IN_MLFLOW = "More: report.html, beside this page", "; in MLflow, among the artifacts"


def answer_page(name: str, sweep_answers: Sequence[Answer], points: pd.DataFrame, settings: pd.DataFrame) -> str:
    """Return the answers of a sweep as Markdown, with the training time spent and a pointer to the report."""
    lines = [f"# {escape(name)}: which network to ship"]
    for answer in sweep_answers:
        columns = {"budget": "Budget (MACs)", "network": f"Ship (on {escape(answer.dataset)})", "top1": "Top-1 (%)",
                   **({"test_top1": "Test top-1 (%)"} if answer.has_test else {}), "macs": "MACs (M)",
                   "params": "Params (M)", "runner_up": "Runner-up"}  # fmt: skip
        header = [(text, "---" if key in ("network", "runner_up") else "---:") for key, text in columns.items()]
        lines.append(table(header, [[escape(row[key]) for key in columns] for row in answer.rows()]).rstrip())
        lines.append(f"How sure: {answer.certainty}")
    paid = [f"Spent: {text}"] if (text := spent(points)) else []
    more = f"{READ_MORE}{IN_MLFLOW if was_trained(points) or points.empty else ''}."
    return "\n\n".join([*lines, *([] if sweep_answers else [no_answer(settings)]), *paid, more]) + "\n"
