"""Adaptive samplers: Optuna proposes points one by one for high top-1 and low cost together.

Optuna proposes repetitions and networks outside the caps, and a proposal cannot be withdrawn. Proposals therefore come
from a study in memory. A second study, a journal in the sweep's folder that `optuna-dashboard` and
`optuna.visualization` read, holds only the points that are trained, with their results. Costs are known exactly, so no
sampler should model them: TPE and NSGA-II model no values at all, and `analysis.surrogate` takes the place of Optuna's
Gaussian process, which would model every cost.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from analysis.surrogate import Floats, Surrogate, expected_improvement
from search_spaces.space import Choice, SearchSpace
from sweep.plan.distributions import coded, distributions, draw, optuna_value
from sweep.plan.plan import Plan
from sweep.plan.points import PlannedPoint
from trainers.config import TrainConfig
from trainers.errors import ConfigError, one_line

STUDY = "study.log"
POINT = "point"
"""The attribute of an Optuna trial that holds the id of its point."""
MOST_ASKED = 20
"""Most proposals that Optuna makes for one point before a random untrained combination is taken."""
FIRST_RANDOM = 10
"""Number of complete points before the surrogate makes proposals."""
MOST_CANDIDATES = 2000
"""Most combinations among which the surrogate chooses."""
STATES = {"COMPLETE": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED, "FAILED": TrialState.FAIL}


@dataclass(frozen=True, kw_only=True)
class Proposer:
    """A way to propose points."""

    build: Callable[[int], optuna.samplers.BaseSampler]
    """Builds Optuna's sampler from a seed."""
    has_surrogate: bool = False
    """Whether a surrogate of top-1 proposes all points after the first FIRST_RANDOM."""


PROPOSERS: Mapping[str, Proposer] = MappingProxyType(
    {
        "optuna": Proposer(build=lambda seed: optuna.samplers.TPESampler(seed=seed)),
        "nsga2": Proposer(build=lambda seed: optuna.samplers.NSGAIISampler(seed=seed)),
        "gp": Proposer(build=lambda seed: optuna.samplers.RandomSampler(seed=seed), has_surrogate=True),
    }
)
"""Proposers by the name of the sampler."""


class OptunaSampler:
    """A Sampler that proposes each combination of the plan at most once."""

    def __init__(self, plan: Plan, space: SearchSpace, device_hours: Mapping[str, float] | None = None) -> None:
        """Open or create the study in the plan's folder.

        With `device_hours`, by the ids of the plan's candidates, proposals keep within `config.max_device_hours`.

        Raises:
            ConfigError: the study is damaged.
        """
        self._plan = plan
        config = plan.config
        self._costs = config.costs
        self._device_hours = device_hours or {}
        self._hours_left = config.max_device_hours or math.inf
        self._distributions = distributions(space)
        self._choices = [name for name, axis in space.axes.items() if isinstance(axis, Choice)]
        self._cells = {self._key(point.config): point for point in plan.candidates}
        self._discrete = not space.distributions
        self._random = np.random.default_rng(config.sample_seed)
        directions = [StudyDirection.MAXIMIZE, *(StudyDirection.MINIMIZE for _ in config.costs)]
        plan.folder.mkdir(parents=True, exist_ok=True)
        path = plan.folder / STUDY
        try:
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
            self._study = optuna.create_study(
                study_name=plan.name, storage=storage, directions=directions, load_if_exists=True
            )
        except (ValueError, LookupError, OSError) as error:
            raise ConfigError(f"{path} is damaged ({one_line(error)}); restore it, or choose another --name") from error
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            self._study.set_metric_names(["top1", *config.costs])
        known = self._study.get_trials()
        kind = PROPOSERS[str(config.sampler)]
        self._proposer = optuna.create_study(directions=directions, sampler=kind.build(config.sample_seed + len(known)))
        self._model = Surrogate() if kind.has_surrogate else None
        self._trained = {trial.user_attrs[POINT] for trial in known}
        self._running: dict[str, tuple[int, Trial]] = {}
        self._proposer.add_trials([trial for trial in known if trial.state.is_finished()])
        self._known = known

    @property
    def points(self) -> list[PlannedPoint]:
        """Every point proposed so far."""
        return [self._plan.point(self._from(_params(trial))) for trial in self._study.get_trials(deepcopy=False)]

    def go_on(self, rows: Mapping[str, Mapping[str, Any]]) -> list[PlannedPoint]:
        """Return the proposed points that have no row; record the end of points whose row the study lacks."""
        waiting: list[PlannedPoint] = []
        for trial in self._known:
            if trial.state == TrialState.WAITING:  # the process ended between its two steps
                self._study.ask(self._distributions)
            point = self._plan.point(self._from(_params(trial)))
            if not trial.state.is_finished():
                self._running[point.id] = trial.number, self._proposed(_params(trial))
            if point.id in rows:
                if point.id in self._running:
                    self._tell(rows[point.id])
            else:
                self._hours_left -= self._hours_of(self._cell(_params(trial)))
                waiting.append(point)
        return waiting

    def propose(self) -> PlannedPoint | None:
        """Return the sampler's choice of the untrained combinations that fit into the budget; None if there is none."""
        if self._model and len(self._complete) >= FIRST_RANDOM:
            return self._best_of(self._candidates(), self._model)
        params: dict[str, Any] = {}
        for _ in range(MOST_ASKED):
            trial = self._proposer.ask(self._distributions)
            if self._is_new(trial.params):
                return self._start(trial)
            self._proposer.tell(trial, state=TrialState.FAIL)
            params = trial.params
        unseen = self._unseen()
        if not unseen:
            return None
        key = unseen[int(self._random.integers(len(unseen)))]
        return self._start(self._proposed({**params, **dict(zip(self._choices, key, strict=True))}))

    def ended(self, row: Mapping[str, Any]) -> None:
        """Record in both studies how the point ended; return the hours of untrained epochs to the budget."""
        if row["point"] in self._running:
            cell = self._cell(self._running[row["point"]][1].params)
            self._hours_left += self._hours_of(cell) * max(0.0, 1 - (row["epochs_trained"] or 0) / cell.config.epochs)
            self._tell(row)

    def _tell(self, row: Mapping[str, Any]) -> None:
        number, proposal = self._running.pop(row["point"])
        state = STATES[row["state"]]
        values = [row["top1"], *(row[cost] for cost in self._costs)] if state == TrialState.COMPLETE else None
        self._study.tell(number, values, state=state)
        self._proposer.tell(proposal, values, state=state)

    @property
    def _complete(self) -> list[FrozenTrial]:
        return self._proposer.get_trials(deepcopy=False, states=[TrialState.COMPLETE])

    def _unseen(self) -> list[tuple[Any, ...]]:
        """Return the keys of the combinations that may be proposed."""
        trained = self._trained if self._discrete else ()
        return [key for key, cell in self._cells.items() if cell.id not in trained and self._fits(cell)]

    def _fits(self, cell: PlannedPoint) -> bool:
        return self._hours_of(cell) <= self._hours_left

    def _hours_of(self, cell: PlannedPoint) -> float:
        return self._device_hours.get(cell.id, 0.0)

    def _cell(self, params: Mapping[str, Any]) -> PlannedPoint:
        """Return the candidate of the plan with the choices among `params`."""
        return self._cells[tuple(params[name] for name in self._choices)]

    def _candidates(self) -> list[dict[str, Any]]:
        """Return combinations that may be proposed, at most MOST_CANDIDATES, each with a draw from every range."""
        unseen = self._unseen()
        if not self._discrete or len(unseen) > MOST_CANDIDATES:
            unseen = [unseen[i] for i in self._random.integers(len(unseen), size=MOST_CANDIDATES)] if unseen else []
        ranges = {name: axis for name, axis in self._distributions.items() if name not in self._choices}
        return [
            dict(zip(self._choices, key, strict=True))
            | {name: draw(axis, self._random) for name, axis in ranges.items()}
            for key in unseen
        ]

    def _best_of(self, candidates: list[dict[str, Any]], model: Surrogate) -> PlannedPoint | None:
        """Start the candidate with the highest expected improvement, counting running points as predicted."""
        if not candidates:
            return None
        observed: list[Mapping[str, Any]] = [trial.params for trial in self._complete]
        top1 = [trial.values[0] for trial in self._complete]
        model.fit(self._coded(observed), top1)
        running = [proposal.params for _, proposal in self._running.values()]
        if running:
            expected = model.predict(self._coded(running)).mean
            observed, top1 = [*observed, *running], [*top1, *expected]
            model.fit(self._coded(observed), top1)
        predicted = model.predict(self._coded(candidates))
        gain = expected_improvement(
            predicted.mean,
            predicted.deviation,
            self._costs_of(candidates),
            model.predict(self._coded(observed)).mean,
            self._costs_of(observed),
        )
        return self._start(self._proposed(candidates[int(gain.argmax())]))

    def _coded(self, params: Sequence[Mapping[str, Any]]) -> Floats:
        return coded(params, self._distributions)

    def _costs_of(self, params: Sequence[Mapping[str, Any]]) -> Floats:
        """Return the costs of settings (N, K)."""
        cells = map(self._cell, params)
        return np.array([[getattr(cell.cost, cost) for cost in self._costs] for cell in cells], dtype=float)

    def _start(self, proposal: Trial) -> PlannedPoint:
        point = self._plan.point(self._from(proposal.params))
        self._hours_left -= self._hours_of(self._cell(proposal.params))
        self._study.enqueue_trial(proposal.params, user_attrs={POINT: point.id})
        self._running[point.id] = self._study.ask(self._distributions).number, proposal
        self._trained.add(point.id)
        return point

    def _proposed(self, params: dict[str, Any]) -> Trial:
        """Return a running trial of the study in memory with these values."""
        self._proposer.enqueue_trial(params)
        return self._proposer.ask(self._distributions)

    def _is_new(self, params: Mapping[str, Any]) -> bool:
        cell = self._cells.get(tuple(params[name] for name in self._choices))
        return cell is not None and self._fits(cell) and self._plan.point(self._from(params)).id not in self._trained

    def _from(self, params: Mapping[str, Any]) -> TrainConfig:
        """Return the settings of the candidate and the range values in `params`."""
        config = self._cell(params).config
        return replace(config, **{name: value for name, value in params.items() if name not in self._choices})

    def _key(self, config: TrainConfig) -> tuple[Any, ...]:
        return tuple(optuna_value(getattr(config, name)) for name in self._choices)


def _params(trial: FrozenTrial) -> dict[str, Any]:
    """Return the values of a trial, running or only enqueued."""
    return trial.params or trial.system_attrs["fixed_params"]
