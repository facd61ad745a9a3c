"""Whatever is wrong in a command line, a configuration or a sweep's folder: exit 2, one line, nothing started.

Every example has something that is known to be wrong, so none may be accepted.
"""

import contextlib
import io
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import run_sweep
from analysis.results.schema import NEEDED
from sweep.commands.flags import Flag, flags_of
from sweep.commands.registry import COMMANDS as REGISTRY
from sweep.config import CAPS, SweepConfig, to_json
from sweep.plan.plan import make_plan
from sweep.run.log import ResultsLog
from tests.sweep.conftest import measurement, open_recorder, quick_config
from trainers.config import TrainConfig
from trainers.trial import Measurement
from trainers.values import parse_amount, parse_duration, row_type

QUICK = ("--space", "mnv2_quick", "--axis", "width_mult=0.25", "--axis", "resolution=16", "--axis", "lr=0.01,0.02",
         "--train.epochs", "2")  # fmt: skip
AXES_OF_QUICK = QUICK[3:8:2]
SWEEP = "runs/mnv2_quick-digits"
NUMBERS = (int, float)
Capture = pytest.CaptureFixture[str]
STARTS = "sweep.run.ray_session", "sweep.run.ray_trials", "sweep.watch.tracker"
"""The modules that start Ray and reach MLflow."""


def examples(number: int) -> Callable[[Any], Any]:
    """So many examples, the same ones each time."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(max_examples=number, deadline=None, derandomize=True, database=None, suppress_health_check=checks)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with a sweep of two points, of which one is complete; nothing can be started from it."""
    path = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        write_sweep(path)
        for module in STARTS:
            patch.setitem(sys.modules, module, None)
        for owner, name in ((subprocess.Popen, "__init__"), (socket, "create_connection")):
            patch.setattr(owner, name, refuse)
        yield path


def refuse(*arguments: Any, **options: Any) -> None:
    """Stands for what starts something."""
    raise AssertionError("something was started")


def write_sweep(path: Path) -> None:
    """What a sweep leaves in `path`, but for its checkpoints."""
    config = quick_config(Path("runs"), *AXES_OF_QUICK, epochs=2)
    plan = make_plan(config)
    log = ResultsLog(path / plan.folder)
    recorder = open_recorder(plan.points, log)
    for epoch in (1, 2):
        recorder.measured(measurement(plan.points[0], epoch))
    recorder.failed(plan.points[1].id, "diverged")
    log.close()
    identity = {"fingerprint": plan.dataset.fingerprint, "sweep_id": "s-1", "created_at": 1e9}
    (path / plan.folder / "environment.json").write_text(json.dumps(identity))
    (path / plan.folder / "config.json").write_text(json.dumps(to_json(config)))


def files_in(path: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def said_of(arguments: list[str]) -> str:
    """What is printed on stderr, after checking that it is one line, the exit code 2 and no file written."""
    before = files_in(Path())
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        code = run_sweep.main(arguments)
    said = error.getvalue()
    assert (code, said.count("\n"), said[-1:]) == (2, 1, "\n"), (code, said, arguments)
    assert said.startswith("error: ")
    assert said[:-1].isprintable()
    assert "Traceback" not in said
    assert files_in(Path()) == before
    return said


# Bad command lines

LETTERS = st.text(max_size=12).filter(lambda text: text not in ("-h", "--help", "None"))
UNPRINTABLE = st.tuples(LETTERS, st.sampled_from("\0\n\r\x1b\x7f\x85\u2028\ud800"), LETTERS).map("".join)
NO_NUMBERS = st.sampled_from(["few", "", "nan", "inf", "-inf", "1e999", "1,2", "0x10", "--5", "½", "9" * 5000, "-1"])


def refused_by(parse: Callable[[str], object]) -> Callable[[str], bool]:
    """Whether a text is none of what `parse` takes."""

    def is_refused(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return True
        return False

    return is_refused


def bad_values(flag: Flag) -> SearchStrategy[str]:
    """Texts that a flag can never take."""
    name, kind = flag.field.name, flag.type
    if name in BAD_TEXTS:
        return UNPRINTABLE | BAD_TEXTS[name]
    if name in ("time_budget", *CAPS):
        parse = parse_duration if name == "time_budget" else parse_amount
        return NO_NUMBERS | LETTERS.filter(refused_by(parse))
    if kind.plain in NUMBERS and not kind.choices:
        return UNPRINTABLE | NO_NUMBERS | LETTERS.filter(refused_by(kind.plain))
    if kind.choices:
        return UNPRINTABLE | LETTERS.map("no {}".format)
    return UNPRINTABLE


PATHS = ["../up", "a/b", "/absolute", ".", "..", "~/x", "", ".hidden", "-x", "a b", "ü", "x" * 101, "CON:", "a\\b"]
AXES = ["", "=", "lr", "lr=", "depth=1", "lr=,", "lr=x", "lr=uniform(1)", "lr=uniform(2,1)", "lr=loguniform(0,1)",
        "lr=nan", "lr=inf", "lr=1,1", "seed=-1", "width_mult=1e99", "epochs=1.5", "optimizer=adam", "model=x",
        "lr=normal(0,1)", "data=../nowhere", "model=uniform(0,1)", "lr=0.1;rm", "=1", "lr==1"]  # fmt: skip
BAD_TEXTS: dict[str, SearchStrategy[str]] = {
    "name": st.sampled_from(PATHS) | LETTERS.map("../{}".format) | LETTERS.map("/{}".format),
    "axis": st.sampled_from(AXES) | LETTERS.map("no {}=1".format),
    "data": st.sampled_from(["nowhere", "", "../nowhere", "/dev/null", "cifar10:nowhere", "~nosuchuser/x"]),
    "config": st.sampled_from(["nowhere.json", "runs", "", "/dev/null"]),
    "csv": st.sampled_from(["missing/plan.csv", "runs", "/dev/null/x.csv", "."]),
    "lr_milestones": LETTERS.map("x{}".format),
    "promoted": st.sampled_from(["nowhere/x", f"{SWEEP}/x"]),
    **dict.fromkeys(("space", "recipe", "trainer", "published", "model"), LETTERS.map("no {}".format)),
}
WORDS: dict[str, tuple[str, ...]] = {
    "sweep": QUICK,
    "plan": ("plan", *QUICK),
    "report": ("report", SWEEP),
    "recommend": ("recommend", SWEEP),
    "promote": ("promote", SWEEP),
    "recipe": ("recipe", "nothing"),
    "ui": ("ui",),
    "list": ("list",),
    "evaluate": ("evaluate", "nowhere"),
    "predict": ("predict", "nowhere", "a.png"),
    "features": ("features", "nowhere", "a.png"),
    "export": ("export", "nowhere", "--format", "onnx"),
    "latency": ("latency", "nowhere"),
}
"""A command line of each command that lacks nothing."""
COMMANDS = [(WORDS[name], flags_of(command.arguments)) for name, command in REGISTRY.items()]
FLAGS = [(words, flag) for words, flags in COMMANDS for flag in flags if not flag.positional]
"""Every flag of every command."""


@st.composite
def bad_flags(draw: st.DrawFn) -> list[str]:
    """A command with a flag of its own that has a value it cannot have, or none."""
    words, flag = draw(st.sampled_from(FLAGS))
    name = flag.name.replace("-", "_").replace("__", "--", 1) if draw(st.booleans()) else flag.name
    if flag.type.item is bool:
        return [*words, f"{name}={draw(LETTERS)}"]
    if not flag.type.several and draw(st.integers(0, 9)) == 0:
        return [*words, name]
    value = draw(bad_values(flag))
    return [*words, *([f"{name}={value}"] if draw(st.booleans()) else [name, value])]


@st.composite
def bad_words(draw: st.DrawFn) -> list[str]:
    """A command with a word that no command has: a flag, a place, or the command itself."""
    command = list(draw(st.sampled_from(list(WORDS.values()))))
    word = draw(
        st.sampled_from(["stray", "--no-such-flag", "--train.nothing=1", "--train", "-x", "--=1"]) | UNPRINTABLE
    )
    if draw(st.booleans()):
        return [f"no-{draw(LETTERS)}", *command]
    return [*command[: draw(st.integers(1, len(command)))], word]


@pytest.mark.usefixtures("folder")
@examples(500)
@given(arguments=bad_flags() | bad_flags() | bad_words())
def test_a_bad_command_line_is_one_line(arguments: list[str]) -> None:
    said_of(arguments)


# Bad configurations

GOOD = to_json(quick_config(Path("runs"), *AXES_OF_QUICK, epochs=2))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JUNK = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.text(max_size=5), JUNK, min_size=1, max_size=3)
SINGLE = [name for name in GOOD if name not in ("train", "axis", "costs", "promoted")]
NUMERIC = [name for name in SINGLE if row_type(SweepConfig, name) in NUMBERS]
TRAIN_NUMERIC = [name for name in GOOD["train"] if row_type(TrainConfig, name) in NUMBERS]
NOT_NUMBERS = st.sampled_from(["few", "", "nan", "-1", True, float("nan"), float("-inf"), -1, -(10**400), -1e300])


def changed(**values: Any) -> dict[str, Any]:
    return GOOD | values


@st.composite
def bad_settings(draw: st.DrawFn, last: int = 5) -> dict[str, Any]:
    """A configuration with a field that does not exist, or that holds what it cannot; the last kind names no space."""
    kind = draw(st.integers(0, last))
    if kind == 0:
        return changed(**{f"no {draw(LETTERS)}": draw(JUNK)})
    if kind == 1:
        return changed(**{draw(st.sampled_from(SINGLE)): draw(OBJECTS | st.lists(JUNK, max_size=3))})
    if kind == 2:
        return changed(**{draw(st.sampled_from(NUMERIC)): draw(NOT_NUMBERS)})
    if kind == 3:
        return changed(train=GOOD["train"] | {draw(st.sampled_from(TRAIN_NUMERIC)): draw(NOT_NUMBERS | OBJECTS)})
    if kind == 4:
        return changed(train=draw(st.lists(JUNK, max_size=3) | st.text(max_size=5) | st.integers()))
    if kind == 5:
        name = draw(st.sampled_from(["axis", "costs", "promoted"]))
        return changed(**{name: draw(OBJECTS | st.integers() | st.lists(OBJECTS, min_size=1, max_size=3))})
    return changed(space=draw(UNPRINTABLE | LETTERS.map("no {}".format) | st.sampled_from([None, float("inf")])))


GOOD_TEXT = json.dumps(GOOD)
BAD_FILES = st.one_of(
    JUNK.filter(lambda value: not isinstance(value, dict)).map(json.dumps).map(str.encode),
    st.integers(1, len(GOOD_TEXT) - 1).map(lambda length: GOOD_TEXT[:length].encode()),
    st.binary(min_size=1, max_size=8).map(lambda junk: GOOD_TEXT.encode()[:-1] + b"\xff\xfe" + junk),
    st.sampled_from(sorted(GOOD)).map(lambda name: f'{GOOD_TEXT[:-1]}, "{name}": 1}}'.encode()),
    st.sampled_from([b"[" * 100_000, b"{" * 5000, b"", b"null", b"\0", b"\xef\xbb\xbf"]),
)
"""What is no configuration, in JSON or in YAML: junk, cut off, in no encoding, with a field twice."""
TAGS = ("!!int", "!!float", "!!bool", "!!timestamp", "!!binary", "!x", "!!python/object/apply:os.system", "!!set",
        "!!omap", "!!seq", "!!map")  # fmt: skip
TAGGED = [f"{tag} {value}" for tag in TAGS for value in ("''", "x", "[y]", "{z: 1}")]
LEVELS = "abcdefghijklmnopqrstuvwxy"
BOMB = "a: &a [x, x]\n" + "".join(f"{c}: &{c} [*{b}, *{b}]\n" for b, c in pairwise(LEVELS))
"""Lists of lists by reference, which would be 2**25 texts if they were written out."""
COUNTS = ("seeds", "num_samples", "sample_seed", "cpus_per_trial")
LONG = f"0x{'f' * 9000}"
BAD_YAML = st.one_of(
    st.sampled_from(TAGGED).map("space: mnv2_quick\nseeds: {}\n".format),
    st.sampled_from(TAGGED).map("space: mnv2_quick\ntrain: {}\n".format),
    st.sampled_from(TAGGED).map("space: mnv2_quick\n? {}\n: 1\n".format),
    st.sampled_from(sorted(GOOD)).map("space: &s mnv2_quick\n{0}: *s\n{0}: *s\n".format),
    st.sampled_from(COUNTS).map(lambda name: f"space: mnv2_quick\n{name}: {LONG}\n"),
    st.sampled_from(["axis: *y", "axis: [*y]", "name: *y", "train: *y", "<<: *y", "*y : 1", "? *y\n: 1"]).map(
        lambda use: f"{BOMB}space: mnv2_quick\n{use}\n"
    ),
    st.sampled_from(["space: mnv2_quick\n\tname: x", "space: [", "space: *nowhere", "- space", "space: {", "space: 'x",
                     "0xff: 1\nspace: mnv2_quick", "space: 2020-13-45", f"{LONG}: 1", "? [a]\n: 1"]),
)  # fmt: skip


@pytest.mark.usefixtures("folder")
@examples(330)
@given(
    bad=st.one_of(
        st.tuples(st.sampled_from(["json", "yaml"]), bad_settings(last=6).map(json.dumps).map(str.encode) | BAD_FILES),
        st.tuples(st.just("yaml"), BAD_YAML.map(str.encode)),
    )
)
def test_a_bad_configuration_is_one_line(bad: tuple[str, bytes]) -> None:
    suffix, content = bad
    path = Path(f"bad.{suffix}")
    path.write_bytes(content)

    said_of(["plan", "--config", str(path)])


# Damaged folders

GOOD_SWEEP = ("plan", *QUICK), QUICK
READERS = {
    "results.jsonl": (
        ("report", SWEEP),
        ("recommend", SWEEP),
        ("promote", SWEEP),
        ("evaluate", SWEEP, "--best"),
        *GOOD_SWEEP,
    ),
    "measurements.jsonl": GOOD_SWEEP,
    "config.json": (("promote", SWEEP), *GOOD_SWEEP),
    "environment.json": GOOD_SWEEP,
}
"""The commands that read a file."""
NO_TEXTS = st.sampled_from([1, 1.5, True, [], ["a"], {}, {"a": {"b": 1}}, "\ud800", float("nan")])
NO_COUNTS = st.sampled_from(["many", "1", "", 1.5, -1, 2**63, 10**400, True, [1], {}, float("nan"), float("inf")])
NO_FLOATS = st.sampled_from(
    ["many", "90", "", "NaN", -0.5, 10**400, False, [90.0], {"a": 1}, *map(float, ("nan", "inf"))]
)
NO_FLAGS = st.sampled_from(["true", 0, 1, [], {}])
WRONG = {str: NO_TEXTS, int: NO_COUNTS, float: NO_FLOATS, bool: NO_FLAGS}
NO_POINTS = st.sampled_from(["../up", "a/b", "/absolute", "..", "", "a\0", "a b", 1, None, [], {}])
NO_STATES = st.sampled_from(["complete", "", "DONE", "COMPLETE ", 1, None, [], {}])
NO_LINES = st.one_of(
    st.binary(max_size=12).map(lambda junk: b"\xff" + junk.replace(b"\n", b"")),
    st.sampled_from([b"", b"nonsense", b"null", b"[1]", b"{}", b"1", b'"x"', b"{" * 3000, b"[" * 100_000, b"\0" * 9]),
)


def kind_of(column: str, value: Any) -> type:
    """The type of a column's values, of which `value` is one."""
    if column in TrainConfig.__dataclass_fields__:
        return row_type(TrainConfig, column)
    counts = ("macs", "num_params", "activations", "best_epoch", "epochs_trained", "epoch")
    texts = ("reason", "dataset", "fingerprint", "device", "reused_from")
    return int if column in counts else str if column in texts else float


@st.composite
def damaged_row(draw: st.DrawFn, row: Mapping[str, Any], needed: Sequence[str]) -> bytes:
    """A row that lacks a column or holds in it what it cannot."""
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from(needed))
        return json.dumps({column: value for column, value in row.items() if column != name}).encode()
    name = draw(st.sampled_from(sorted(row)))
    if name in ("point", "state"):
        return json.dumps(row | {name: draw(NO_POINTS if name == "point" else NO_STATES)}).encode()
    if name in needed and draw(st.booleans()):
        return json.dumps(row | {name: None}).encode()
    above = [100.5, 1e300] if "top" in name and name != "total_stride" else []
    wrong = WRONG[kind_of(name, row[name])]
    return json.dumps(row | {name: draw(wrong | st.sampled_from(above) if above else wrong)}).encode()


@st.composite
def damaged_log(draw: st.DrawFn, name: str, needed: Sequence[str]) -> bytes:
    """The lines of a log, some of them twice, some of a later version, and one that is damaged."""
    lines = (Path(SWEEP) / name).read_bytes().splitlines()
    later = json.dumps(json.loads(lines[0]) | {"of a later version": [None, {}]}).encode()
    line = draw(NO_LINES | damaged_row(json.loads(lines[0]), needed))
    lines = draw(st.lists(st.sampled_from([*lines, later]), max_size=4))
    lines.insert(draw(st.integers(0, len(lines))), line)
    return b"\n".join(lines) + b"\n" + draw(st.sampled_from([b"", b'{"point": "torn', b"\0"]))


@st.composite
def damaged_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file of a sweep's folder and what damage has left of it."""
    name = draw(st.sampled_from(sorted(READERS)) | st.just("results.jsonl"))
    if name == "results.jsonl":
        return name, draw(damaged_log(name, [*NEEDED, "top1"]))
    if name == "measurements.jsonl":
        needed = [field.name for field in fields(Measurement) if field.default is MISSING]
        return name, draw(damaged_log(name, needed))
    if name == "config.json":
        return name, draw(bad_settings().map(json.dumps).map(str.encode) | BAD_FILES)
    good = json.loads((Path(SWEEP) / name).read_bytes())
    lacking = st.sampled_from(sorted(good)).map(lambda key: {k: v for k, v in good.items() if k != key})
    wrong = st.tuples(st.sampled_from(sorted(good)), st.sampled_from([None, [], {}, True, float("nan")]))
    damaged = lacking | wrong.map(lambda pair: good | dict([pair]))
    return name, draw(NO_LINES | damaged.map(json.dumps).map(str.encode))


@contextlib.contextmanager
def holding(path: Path, content: bytes) -> Iterator[None]:
    """While a file holds something else."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


@pytest.mark.usefixtures("folder")
@examples(330)
@given(data=st.data())
def test_a_damaged_folder_is_one_line(data: st.DataObject) -> None:
    name, content = data.draw(damaged_files())
    command = data.draw(st.sampled_from(READERS[name]))

    with holding(Path(SWEEP) / name, content):
        said = said_of(list(command))

    assert name in said


@pytest.mark.parametrize("name", ["top1", "macs", "width_mult", "state", "epochs"])
@pytest.mark.parametrize("command", ["report", "recommend", "promote"])
def test_a_text_for_a_number_is_told_by_file_line_and_column(folder: Path, name: str, command: str) -> None:
    path = Path(SWEEP) / "results.jsonl"
    first, second = path.read_text().splitlines()
    damaged = json.dumps(json.loads(second) | {name: "about 90"})

    with holding(path, f"{first}\n{damaged}\n".encode()):
        said = said_of([command, SWEEP])

    assert f"{path}, line 2 is damaged: column {name} is 'about 90', not " in said


def test_a_torn_last_line_is_left_out_with_a_note(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    torn = tmp_path / "torn"
    shutil.copytree(Path(SWEEP), torn)
    with (torn / "results.jsonl").open("a") as file:
        file.write('{"point": "b", "sta')

    assert run_sweep.main(["report", str(torn)]) == 0

    assert capsys.readouterr().err == f"note: the last line of {torn}/results.jsonl was cut off and is left out\n"


# What is never said or left

CREDENTIALS = st.text("abcdefXYZ0123456789-._~!$&'()*+,;=:%", min_size=5, max_size=120)


@pytest.mark.usefixtures("folder")
@examples(60)
@given(secret=CREDENTIALS, flag=st.sampled_from(["--tracking-uri", "--tracking-url", "--name", "--train.lr"]),
       equals=st.booleans(), command=st.sampled_from([QUICK, ("plan", *QUICK), ("evaluate", "nowhere")]))  # fmt: skip
def test_credentials_are_never_printed(secret: str, flag: str, equals: bool, command: tuple[str, ...]) -> None:
    secret = f"s3cret{secret}"
    uri = f"http://user:{secret}@host/path"

    said = said_of([*command, *([f"{flag}={uri}"] if equals else [flag, uri]), "--sample-seed", "-1"])

    assert "s3cret" not in said
    assert secret[-5:] + "@" not in said


@pytest.mark.usefixtures("folder")
@examples(100)
@given(name=st.text("./\\~ax\0\n-", min_size=1, max_size=10).filter(lambda name: {*"./\\~"} & {name[0]} or "/" in name))
def test_no_name_leaves_the_runs_folder(name: str) -> None:
    said_of(["plan", *QUICK, f"--name={name}"])
