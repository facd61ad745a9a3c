"""README and docs: commands are understood, snippets run, links lead somewhere, tables hold what the code has."""

import importlib
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import run_sweep
from analysis.plots.registry import PLOTS
from analysis.published.sweep_results import load_results
from analysis.published.tables import COLUMNS as PUBLISHED_COLUMNS
from analysis.published.tables import sources
from analysis.results.schema import COLUMNS, MEASUREMENT_COLUMNS, SETTINGS
from search_spaces.registry import SPACES
from sweep.choose import comparisons, schedulers
from sweep.commands.flags import flags_of
from sweep.commands.parse import CommandLine
from sweep.commands.parse_sweep import parse_sweep
from sweep.commands.promote import parse_promotion
from sweep.commands.registry import COMMANDS
from sweep.config import SweepConfig
from sweep.plan.plan import make_plan
from tests.sweep.conftest import Sweep, real_sweep  # the fixture
from trainers.recipes import RECIPES

__all__ = ["real_sweep"]

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = ("uv run run_sweep.py", "python run_sweep.py")
OTHER_COMMANDS = (
    "pip install uv",
    "uv run pytest",
    "uv run ruff",
    "uv run pyright",
    "uv tool run pre-commit",
    "ray ",
    "tail ",
    "RAY_AUTH_MODE",
)
"""How commands begin that are no command of this project."""
SHELL = ("sh", "bash", "console")
PARSED_ONLY = ("--address", "--download", "--help")
"""Flags of commands that cannot be planned here."""
NEEDS_MORE = ("mlflow.md",)
"""Pages whose snippets need what the suite's sweep does not have, such as registered networks."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command of a page, without its prompt and comment."""

    block: Block
    text: str

    @property
    def words(self) -> list[str]:
        """The words after `run_sweep.py`; none of another program."""
        start = next((start for start in PROGRAM if self.text.startswith(start)), None)
        return [] if start is None else shlex.split(self.text.removeprefix(start))


def blocks() -> list[Block]:
    found: list[Block] = []
    for page in PAGES:
        start, language, lines = 0, "", list[str]()
        for number, line in enumerate(page.read_text().splitlines(), 1):
            if line.startswith("```") and not start:
                start, language, lines = number, line.removeprefix("```"), []
            elif line.startswith("```"):
                found.append(Block(page, start, language, "\n".join(lines)))
                start = 0
            elif start:
                lines.append(line)
        assert not start, f"{page.name}:{start} does not end"
    return found


def commands() -> list[Command]:
    found: list[Command] = []
    for block in (block for block in blocks() if block.language in SHELL):
        for line in block.text.replace("\\\n", " ").splitlines():
            if block.language == "console" and not line.startswith("$ "):
                continue
            without_comment = re.sub(r"\s{2,}# .*", "", line.removeprefix("$ "))
            found += [Command(block, part.strip()) for part in without_comment.split("&&")]
    return found


def command_id(command: Command) -> str:
    return f"{command.block.id} {' '.join(command.words[:4])}"


OURS = [command for command in commands() if command.words]
MISTAKES = [command for command in OURS if command.block.language == "console"]
GOOD = [command for command in OURS if command.block.language != "console"]
PLANNED = [command for command in GOOD if command.words[0].startswith("--") or command.words[0] == "plan"]
SNIPPETS = [block for block in blocks() if block.language == "python"]


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise in the layout of an image folder: 2 classes, 12 training, 2 validation and 2 test images of each."""
    folder = tmp_path_factory.mktemp("photographs")
    noise = np.random.default_rng(0)
    for split, count in {"train": 12, "val": 2, "test": 2}.items():
        for name in ("daisy", "tulips"):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = noise.integers(0, 256, (40, 48, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, real_sweep: Sweep, photographs: Path) -> Path:
    """A user's working directory: the sweeps of the pages are the suite's real one, `flowers` are the photographs."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "runs").mkdir()
    for name in {name for page in PAGES for name in re.findall(r"\bruns/([a-z][\w-]+)", page.read_text())}:
        if name != "nowhere" and not name.startswith("ml"):
            (folder / "runs" / name).symlink_to(real_sweep.folder)
    (folder / "flowers").symlink_to(photographs)
    return folder


def on_this_machine(words: Sequence[str], photographs: Path) -> list[str]:
    """The words with every folder of images replaced by `photographs`."""
    return [str(photographs) if word.startswith("/data/") else word for word in words]


def parsed(words: Sequence[str]) -> object:
    """The arguments of a command by its own parser."""
    name, rest = run_sweep.split_command(words)
    cls = COMMANDS[name].arguments
    if name == "promote":
        return parse_promotion(rest)
    if issubclass(cls, SweepConfig):
        return parse_sweep(rest, cls, name)
    return CommandLine(rest, cls, name).build()


@pytest.mark.parametrize("command", [c for c in commands() if not c.words], ids=lambda c: f"{c.block.id} {c.text[:20]}")
def test_other_commands_are_known_programs(command: Command) -> None:
    script = re.match(r"uv run ((?:docs|benchmarks)/\S+)", command.text)

    assert (ROOT / script[1]).is_file() if script else command.text.startswith(OTHER_COMMANDS)


@pytest.mark.parametrize("command", GOOD, ids=command_id)
def test_a_command_is_understood(command: Command, user: Path, photographs: Path) -> None:
    words = on_this_machine(command.words, photographs)

    with chdir(user):
        if "--help" in words:
            with pytest.raises(SystemExit) as stop:
                parsed(words)
            assert stop.value.code == 0
        else:
            parsed(words)


@pytest.mark.parametrize("command", [c for c in PLANNED if not set(PARSED_ONLY) & {*c.words}], ids=command_id)
def test_a_sweep_can_be_planned(command: Command, user: Path, photographs: Path, tmp_path: Path) -> None:
    with chdir(user):
        config = parsed(on_this_machine(command.words, photographs))
        assert isinstance(config, SweepConfig)

        assert make_plan(replace(config, runs=tmp_path)).num_points >= 1


@pytest.mark.parametrize("command", MISTAKES, ids=command_id)
def test_a_mistake_has_the_message_of_the_page(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = command.block.text.partition(f"$ {command.text}\n")[2].splitlines()[0]

    assert run_sweep.main(command.words) == 2

    assert re.fullmatch(".*".join(map(re.escape, shown.split("..."))), capsys.readouterr().err.strip())


@pytest.mark.parametrize("block", SNIPPETS, ids=lambda block: block.id)
def test_a_snippet_runs(block: Block, user: Path, tmp_path: Path) -> None:
    code = compile(block.text, block.id, "exec")

    if block.page.name not in NEEDS_MORE:
        (tmp_path / "runs").symlink_to(user / "runs")
        with chdir(tmp_path):
            exec(code, {"__name__": "snippet"})


def test_the_walk_of_getting_started_runs(
    user: Path, photographs: Path, real_sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its sweep is the suite's real one; the commands that go on with a sweep are run as they stand."""
    assert real_sweep.exit_code == 1, "two of its points diverge"
    walk = [command.words for command in GOOD if command.block.page.name == "getting-started.md"]
    following = [words for words in walk if words[0] in ("recommend", "evaluate", "predict", "latency", "report")]
    assert len(following) >= 4
    (tmp_path / "runs").symlink_to(user / "runs")
    (tmp_path / "flowers").symlink_to(photographs)

    for words in following:
        images = sorted(map(str, photographs.glob("val/tulips/*.png")))
        words = [image for word in words for image in (images if word.endswith(".jpg") else [word])]
        with chdir(tmp_path):
            assert run_sweep.main([*words, *(["--out", "report"] if words[0] == "report" else [])]) == 0

    printed = capsys.readouterr().out
    for start in ("ship:", "top-1 ", "flowers/", "PyTorch "):
        assert f"\n{start}" in f"\n{printed}" or start == "flowers/", start


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_file(), f"{page.name}: {target}"
        assert not anchor or anchor in slugs(linked), f"{page.name}: {target}"


def test_every_page_is_linked_from_readme() -> None:
    readme = PAGES[0].read_text()

    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in readme] == []


def test_readme_is_a_page_that_is_read() -> None:
    lines = PAGES[0].read_text().splitlines()
    prose = re.sub(r"```.*?```", "", "\n".join(lines), flags=re.DOTALL)
    paragraphs = [text.strip().splitlines() for text in prose.split("\n\n") if not text.strip().startswith("|")]

    assert len(lines) <= 180
    assert [line for line in lines if len(line) > 110] == []
    assert [paragraph for paragraph in paragraphs if len(paragraph) > 5] == []
    assert (
        "uv run run_sweep.py --space mnv2_quick" in next(b.text for b in blocks() if b.page == PAGES[0]).splitlines()[0]
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_is_explained(name: str) -> None:
    """A flag of training is a setting, which --help lists; all others are on a page."""
    pages = "\n".join(page.read_text() for page in PAGES)
    flags = [flag.name for flag in flags_of(COMMANDS[name].arguments) if not flag.positional]

    missing = [flag for flag in flags if not flag.startswith("--train.") and not re.search(rf"{flag}\b", pages)]

    assert missing == []
    assert "`--help`" in (ROOT / "docs" / "sweeps.md").read_text()


def table_names(page: str, header: str) -> list[str]:
    """What stands in backquotes in the first column of the table whose first header is `header`."""
    text = (ROOT / "docs" / page).read_text()
    tables = re.findall(rf"^\| {re.escape(header)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [
        name for rows in tables for row in rows.splitlines() for name in re.findall(r"`(.+?)`", row.split(" | ")[0])
    ]


@pytest.mark.parametrize(
    ("page", "header", "names"),
    [
        ("sweeps.md", "`--space`", SPACES),
        ("sweeps.md", "`--recipe`", RECIPES),
        ("sweeps.md", "`--sampler`", ("grid", "random", "optuna", "nsga2", "gp")),
        ("early-stopping.md", "`--scheduler`", schedulers.SCHEDULERS),
        ("published-tables.md", "`--published`", sources()),
        ("results.md", "chart", PLOTS),
        ("published-tables.md", "column", PUBLISHED_COLUMNS),
    ],
)
def test_a_table_names_what_there_is(page: str, header: str, names: Sequence[str]) -> None:
    assert sorted(table_names(page, header)) == sorted(names)


def test_recipes_are_described_as_they_are() -> None:
    text = (ROOT / "docs" / "sweeps.md").read_text()

    assert [name for name, recipe in RECIPES.items() if f"| `{name}` | {recipe.doc} |" not in text] == []


def test_every_column_of_the_logs_is_explained() -> None:
    named = set(table_names("results.md", "column"))

    assert {*COLUMNS, *MEASUREMENT_COLUMNS} - {*SETTINGS} - named == set()
    assert {
        "point",
        "treatment",
        "metric",
        "value",
        "device",
        "runtime",
        "num_threads",
        "batch_size",
        "num_repeats",
    } <= named


def test_every_column_of_the_charts_is_explained(real_sweep: Sweep) -> None:
    text, results = (ROOT / "docs" / "results.md").read_text(), load_results(real_sweep.folder)
    for name, plot in PLOTS.items():
        info = plot.info(results)
        columns = [] if info is None else [column for column in info.numbers().columns if " " not in column]
        [row] = re.findall(rf"^\| `{name}` \|.*", text, re.MULTILINE)
        if not row.split(" | ")[2].startswith("as "):
            assert [column for column in columns if f"`{column}`" not in row] == [], name


def test_constants_of_early_stopping_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "early-stopping.md").read_text()
    stated = dict(re.findall(r"^\| `([A-Z_0-9]+)` \| ([\d.]+) \|", text, re.MULTILINE))

    assert {"CERTAIN", "INDIFFERENT", "NOISE", "CATCH_UP"} <= stated.keys()
    for name, value in stated.items():
        owner = schedulers if hasattr(schedulers, name) else comparisons
        assert float(value) == getattr(owner, name), name


def test_the_figure_of_early_stopping_shows_what_its_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / "docs")])

    shown = importlib.import_module("early_stopping").example()

    assert shown.stopped_at == 6
    assert f"stops at epoch {shown.stopped_at}." in (ROOT / "docs" / "early-stopping.md").read_text().replace("\n", " ")


def test_hooks_run_what_ci_runs() -> None:
    ci, hooks = (ROOT / ".ci" / "run").read_text(), (ROOT / ".pre-commit-config.yaml").read_text()

    assert re.findall(r"^uv run .+$", ci, re.MULTILINE) == re.findall(r"entry: (uv run .+)$", hooks, re.MULTILINE)
