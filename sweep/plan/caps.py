"""Bounds on the cost of a network, held before anything is trained. Pure."""

from sweep.config import CAPS, SweepConfig
from trainers.config import TrainConfig
from trainers.errors import ConfigError, counted
from trainers.models.cost import Cost, cost, network_key

WORDS = {"macs": "MACs", "params": "parameters"}


class Caps:
    """Tells which settings are within a sweep's bounds, and keeps which bound left out what."""

    def __init__(self, config: SweepConfig) -> None:
        self._bounds = {name: getattr(config, name) for name in CAPS if getattr(config, name) is not None}
        self._left_out: dict[str, dict[object, Cost]] = {name: {} for name in self._bounds}

    def __call__(self, config: TrainConfig) -> bool:
        """Whether the network of `config`, whose `num_classes` is set, is within every bound."""
        if not self._bounds:
            return True
        found = cost(config)
        broken = [name for name, bound in self._bounds.items() if not _within(name, bound, found)]
        for name in broken:
            self._left_out[name][network_key(config)] = found
        return not broken

    @property
    def dropped(self) -> list[str]:
        """A line for each bound that left out networks."""
        return [self._said(name) for name, networks in self._left_out.items() if networks]

    def error(self) -> ConfigError:
        """Says which bound left nothing, and what the nearest network has."""
        reasons: list[str] = []
        for name, networks in self._left_out.items():
            if networks:
                pick = min if name.startswith("max") else max
                nearest = pick(_figure(name, found) for found in networks.values())
                reasons.append(f"{self._said(name)}, the {'least' if pick is min else 'most'} {nearest / 1e6:.3g} M")
        return ConfigError(f"no network is left to train: {'; '.join(reasons)}; change the bounds, or the axes")

    def _said(self, name: str) -> str:
        """`4 networks of more than 100 M MACs (--max-macs)`."""
        count = len(self._left_out[name])
        side = "more" if name.startswith("max") else "fewer"
        what = WORDS[name.partition("_")[2]]
        return (
            f"{counted(count, 'network')} of {side} than {_amount(self._bounds[name])} {what} "
            f"(--{name.replace('_', '-')})"
        )


def _amount(bound: float) -> str:
    """As its user meant it: 100 M, and 60 where the M was forgotten."""
    return f"{bound / 1e6:g} M" if bound >= 1e4 else f"{bound:g}"


def _figure(name: str, found: Cost) -> int:
    return found.macs if name.endswith("macs") else found.num_params


def _within(name: str, bound: float, found: Cost) -> bool:
    figure = _figure(name, found)
    return figure <= bound if name.startswith("max") else figure >= bound
