"""The cost of faults: sweeps whose driver, trials, nodes or MLflow server are killed, and the work that they lose.

    uv run benchmarks/chaos.py kills      # kill -9 of the driver and of trials, in one sweep
    uv run benchmarks/chaos.py nodes      # one of two nodes of a cluster is lost, and another one joins
    uv run benchmarks/chaos.py tracking   # the MLflow server is away for a third of the sweep
    uv run benchmarks/chaos.py stores     # kill -9 of the driver while it makes the MLflow store
    uv run benchmarks/chaos.py folders    # the folder of the sweep is deleted while it runs

Every sweep is a process of the command that a user types; faults happen to real processes at random moments.
Afterwards the results log and the MLflow store are compared with each other and with the plan.
"""

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the project is run from its checkout, not installed

from sweep.plan.plan import make_plan
from sweep.commands.sweep import sweep_config
from analysis.results.read import latest_rows, load_measurements
from analysis.results.schema import MEASUREMENTS, RESULTS
from sweep.watch.mlflow_store import EXPERIMENT
from trainers.weights import checkpoint

from mlflow import MlflowClient  # after sweep.watch.tracker, which sets what MLflow reads

START_SECONDS = 15.0
"""Approximate seconds from the start of a driver to its first trial; kills during a start happen within them."""
MAKING_SECONDS = 3.0
"""Approximate seconds in which MLflow makes a store."""
ONE_POINT = ("--axis", "width_mult=0.25", "--axis", "resolution=16")
PATIENCE_SECONDS = 600.0
"""Most seconds to wait for a driver."""


@dataclass
class Tally:
    """Numbers of faults and of their effects."""

    faults: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    again: int = 0
    """Number of finished epochs that were trained again."""
    cut_short: int = 0
    """Number of epochs that a fault interrupted, and that had to be trained from their start."""
    running: int = 0
    """Number of MLflow runs that are left RUNNING."""
    unlike: int = 0
    """Number of points for which the MLflow store and the results log disagree."""

    def line(self) -> str:
        """Return all numbers in one line."""
        injected = ", ".join(f"{number} {name}" for name, number in self.faults.items()) or "none"
        return (
            f"faults: {injected}; points lost {self.lost}, doubled {self.doubled}; finished epochs trained again "
            f"{self.again}, cut short {self.cut_short}; MLflow: {self.running} runs left RUNNING, "
            f"{self.unlike} points unlike the log"
        )


class Sweep:
    """The command of a sweep, its folder, and its present driver."""

    def __init__(self, runs: Path, arguments: Sequence[str], *, uri: str | None = None) -> None:
        self.arguments = ["--space", "mnv2_quick", "--gpus-per-trial", "0", "--runs", str(runs), *arguments]
        self.plan = make_plan(sweep_config(self.arguments))
        self.folder = self.plan.folder
        self.uri = uri or f"sqlite:///{runs / 'mlflow.db'}"
        self.tally = Tally()
        self.driver: subprocess.Popen[bytes] | None = None
        self.printed = open(runs / "printed.log", "ab")  # noqa: SIM115 - for all drivers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.printed.close()
        if self.driver and not self.ended():
            self.driver.kill()

    def start(self) -> None:
        """Start the driver."""
        command = [sys.executable, "run_sweep.py", *self.arguments]
        self.driver = subprocess.Popen(
            command, cwd=ROOT, stdout=self.printed, stderr=subprocess.STDOUT, start_new_session=True
        )

    def ended(self) -> bool:
        """Whether the driver has ended."""
        return self.driver is None or self.driver.poll() is not None

    def num_measurements(self) -> int:
        """Return the number of epochs in the log."""
        path = self.folder / MEASUREMENTS
        return path.read_bytes().count(b"\n") if path.is_file() else 0

    def wait(self, until: Callable[[], bool]) -> bool:
        """Whether `until` became true before the driver ended."""
        known, since = -1, time.monotonic()
        while not until():
            if self.ended():
                return False
            if self.num_measurements() > known:
                known, since = self.num_measurements(), time.monotonic()
            if time.monotonic() > since + PATIENCE_SECONDS:
                raise TimeoutError(f"the driver does nothing; see {self.printed.name}")
            time.sleep(0.05)
        return True

    def trials(self) -> list[int]:
        """Return the ids of the processes that train."""
        assert self.driver
        return [pid for pid in descendants(self.driver.pid) if "ImplicitFunc" in command_line(pid)]

    def kill_driver(self, rng: random.Random) -> None:
        """Kill the driver with SIGKILL; its Ray processes must notice by themselves."""
        assert self.driver
        self.tally.cut_short += len(self.trials())
        self.driver.kill()
        self.driver.wait()
        self.tally.faults["driver killed"] += 1
        time.sleep(rng.uniform(0, 2))

    def kill_trial(self, rng: random.Random) -> None:
        """Kill one process that trains."""
        found = self.trials()
        if found:
            os.kill(rng.choice(found), signal.SIGKILL)
            self.tally.faults["trial killed"] += 1
            self.tally.cut_short += 1

    def audit(self) -> Tally:
        """Compare log and MLflow store with the plan."""
        tally = self.tally
        rows = latest_rows(self.folder)
        lines = [json.loads(line) for line in (self.folder / RESULTS).read_text().splitlines()]
        ended = Counter(line["point"] for line in lines if line["state"] == "COMPLETE")
        tally.lost += sum(ended[point.id] == 0 for point in self.plan.points)
        tally.doubled += sum(number > 1 for number in ended.values())
        logged = load_measurements(self.folder)
        for point in self.plan.points:  # the log keeps the first time that an epoch was told, the checkpoint the last
            state = checkpoint.load(point.point.folder / checkpoint.LAST) or {"history": []}
            first = {m.epoch: m.measured_at for m in logged.get(point.id, [])}
            tally.again += sum(first.get(m["epoch"]) != m["measured_at"] for m in state["history"])
        runs = children(self.uri)
        tally.doubled += sum(number > 1 for number in Counter(run.data.tags["point"] for run in runs).values())
        tally.running += sum(run.info.status == "RUNNING" for run in runs)
        told = {run.data.tags["point"]: run for run in runs}
        for point, row in rows.items():
            run = told.get(point)
            same = run is not None and (run.data.tags.get("state"), run.data.metrics.get("best_top1")) == (
                row["state"],
                row["top1"],
            )
            histories = {m.epoch: m.top1 for m in logged[point]}
            if same and run is not None:
                metrics = MlflowClient(self.uri).get_metric_history(run.info.run_id, "top1")
                same = sorted((m.step, m.value) for m in metrics) == sorted(histories.items())
            tally.unlike += not same
        return tally


def kills(arguments: argparse.Namespace, folder: Path) -> None:
    """Kill the driver and trials of one sweep, each at a random moment, then let it end."""
    rng = random.Random(arguments.seed)
    events = ["driver"] * arguments.driver_kills + ["trial"] * arguments.trial_kills
    rng.shuffle(events)
    with Sweep(folder, []) as sweep:
        for event in events:
            if sweep.ended():
                sweep.start()
            begun = sweep.num_measurements()
            wanted = begun + rng.choice([0, 1, 1, 2])
            if event == "driver" and wanted == begun:
                time.sleep(rng.uniform(0, START_SECONDS))
            elif not sweep.wait(lambda at=wanted: sweep.num_measurements() >= at and bool(sweep.trials())):
                continue
            time.sleep(rng.uniform(0, 1))
            if not sweep.ended():
                (sweep.kill_driver if event == "driver" else sweep.kill_trial)(rng)
                print(f"{event} killed with {sweep.num_measurements()} epochs in the log", flush=True)
        if sweep.ended():
            sweep.start()
        sweep.wait(lambda: False)
        print(sweep.audit().line())


def nodes(arguments: argparse.Namespace, folder: Path) -> None:
    """Kill one of the two nodes of a cluster in the middle of a sweep; a third node joins."""
    rng = random.Random(arguments.seed)
    for i in range(arguments.repeats):
        runs = folder / str(i)
        runs.mkdir()
        joining = ["--address", f"127.0.0.1:{(port := free_port())}"]
        with (
            node(["--head", "--port", str(port)], runs / "0.txt"),
            node(joining, runs / "1.txt") as second,
            Sweep(runs, joining) as sweep,
        ):
            sweep.start()
            at = rng.randint(2, 20)
            sweep.wait(lambda sweep=sweep, at=at: sweep.num_measurements() >= at)
            for pid in (*descendants(second.pid), second.pid):
                os.kill(pid, signal.SIGKILL)
            sweep.tally.faults["node lost"] += 1
            time.sleep(rng.uniform(0, 5))
            with node(joining, runs / "2.txt"):
                sweep.tally.faults["node joined"] += 1
                sweep.wait(lambda: False)
            print(f"{i + 1}: {sweep.audit().line()}", flush=True)


def tracking(arguments: argparse.Namespace, folder: Path) -> None:
    """Kill the MLflow server for a third of a sweep, then start it again."""
    rng = random.Random(arguments.seed)
    for i in range(arguments.repeats):
        runs = folder / str(i)
        runs.mkdir()
        port = free_port()
        served = ["--tracking-uri", f"http://127.0.0.1:{port}"]
        with Sweep(runs, served, uri=f"sqlite:///{runs / 'server.db'}") as sweep:
            num_epochs = sum(point.config.epochs for point in sweep.plan.points)
            away = rng.randint(1, num_epochs // 2)
            back = away + num_epochs // 3
            with mlflow_server(runs, port):
                sweep.start()
                sweep.wait(lambda sweep=sweep, at=away: sweep.num_measurements() >= at)
            sweep.tally.faults["server killed"] += 1
            sweep.wait(lambda sweep=sweep, at=back: sweep.num_measurements() >= at)
            with mlflow_server(runs, port):
                sweep.wait(lambda: False)
                if b"MLflow lacks" in (runs / "printed.log").read_bytes():  # it came back too late
                    sweep.tally.faults["same command again"] += 1
                    sweep.start()
                    sweep.wait(lambda: False)
            print(f"{i + 1}: {sweep.audit().line()}", flush=True)


def stores(arguments: argparse.Namespace, folder: Path) -> None:
    """Kill the driver while it makes the MLflow store, then let the same command end."""
    rng = random.Random(arguments.seed)
    for i in range(arguments.repeats):
        runs = folder / str(i)
        runs.mkdir()
        with Sweep(runs, ONE_POINT) as sweep:
            sweep.start()
            sweep.wait(lambda runs=runs: any(runs.glob(".mlflow.db*")))
            time.sleep(rng.uniform(0, MAKING_SECONDS))
            sweep.kill_driver(rng)
            sweep.start()
            sweep.wait(lambda: False)
            print(f"{i + 1}: {sweep.audit().line()}", flush=True)


def folders(arguments: argparse.Namespace, folder: Path) -> None:
    """Delete the folder of a running sweep, then run the same command again, which trains the lost points."""
    rng = random.Random(arguments.seed)
    for i in range(arguments.repeats):
        runs = folder / str(i)
        runs.mkdir()
        with Sweep(runs, ONE_POINT) as sweep:
            sweep.start()
            at = rng.randint(1, 3)
            sweep.wait(lambda sweep=sweep, at=at: sweep.num_measurements() >= at)
            shutil.rmtree(sweep.folder, ignore_errors=True)
            sweep.tally.faults["folder deleted"] += 1
            sweep.wait(lambda: False)
            sweep.start()
            sweep.wait(lambda: False)
            print(f"{i + 1}: {sweep.audit().line()}", flush=True)


FAULTS = {"kills": kills, "nodes": nodes, "tracking": tracking, "stores": stores, "folders": folders}


@contextmanager
def node(arguments: Sequence[str], printed: Path) -> Generator[subprocess.Popen[bytes]]:
    """Start a node with one CPU; yield its process once it has joined the cluster, and kill it at the end."""
    head = ["--include-dashboard", "false", "--disable-usage-stats"] if "--head" in arguments else []
    ray = str(Path(sys.executable).with_name("ray"))
    with open(printed, "wb") as output:
        process = subprocess.Popen(
            [ray, "start", *arguments, *head, "--num-cpus", "1", "--block"],
            env=os.environ | {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_AUTH_MODE": "token"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while b"Ray runtime started" not in printed.read_bytes() and time.monotonic() < deadline:
            time.sleep(0.2)
        yield process
    finally:
        for pid in (*descendants(process.pid), process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


@contextmanager
def mlflow_server(runs: Path, port: int) -> Generator[None]:
    """Start an MLflow server; yield once it answers, and kill it at the end."""
    store = [
        "--backend-store-uri",
        f"sqlite:///{runs / 'server.db'}",
        "--artifacts-destination",
        str(runs / "artifacts"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *store, "--port", str(port), "--workers", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not listens(port) and time.monotonic() < deadline:
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def listens(port: int) -> bool:
    """Whether something listens at the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(uri: str) -> list[Any]:
    """Return the MLflow runs of points."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id], max_results=1000) if experiment else []
    return [run for run in runs if "point" in run.data.tags]


def descendants(pid: int) -> list[int]:
    """Return the ids of all child processes of a process, and of their children."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found: list[int] = []
    left = [pid]
    while left:
        below = parents.get(left.pop(), [])
        found += below
        left += below
    return found


def command_line(pid: int) -> str:
    """Return the command line of a process; Ray's workers replace theirs by their task."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def main() -> None:
    """Inject the faults named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", choices=FAULTS)
    parser.add_argument("--driver-kills", type=int, default=20)
    parser.add_argument("--trial-kills", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5, help="sweeps, of all but kills (5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep the folder, with what the drivers printed")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"in {folder}")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    FAULTS[arguments.faults](arguments, folder)
    if not arguments.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
