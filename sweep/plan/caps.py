"""Bounds on the cost of a network, applied before anything is trained. Pure."""

from sweep.config import CAPS, SweepConfig
from trainers.config import TrainConfig
from trainers.errors import ConfigError, counted
from trainers.models.cost import Cost, cost, network_key

WORDS = {"macs": "MACs", "params": "parameters"}


class Caps:
    """The bounds of a sweep on network cost, and the networks that each bound left out."""

    def __init__(self, config: SweepConfig) -> None:
        self._bounds = {name: getattr(config, name) for name in CAPS if getattr(config, name) is not None}
        self._left_out: dict[str, dict[object, Cost]] = {name: {} for name in self._bounds}

    def __call__(self, config: TrainConfig) -> bool:
        """Whether the network of `config`, whose `num_classes` is set, is within every bound."""
        if not self._bounds:
            return True
        network_cost = cost(config)
        broken = [name for name, bound in self._bounds.items() if not _within(name, bound, network_cost)]
        for name in broken:
            self._left_out[name][network_key(config)] = network_cost
        return not broken

    @property
    def dropped(self) -> list[str]:
        """One line for each bound that left out networks."""
        return [self._line(name) for name, networks in self._left_out.items() if networks]

    def error(self) -> ConfigError:
        """Return the error of a plan without networks: each bound that left some out, and the nearest cost."""
        reasons: list[str] = []
        for name, networks in self._left_out.items():
            if networks:
                pick = min if name.startswith("max") else max
                nearest = pick(_figure(name, network_cost) for network_cost in networks.values())
                reasons.append(f"{self._line(name)}, the {'least' if pick is min else 'most'} {nearest / 1e6:.3g} M")
        return ConfigError(f"no network is left to train: {'; '.join(reasons)}; change the bounds, or the axes")

    def _line(self, name: str) -> str:
        """Return a line such as `4 networks of more than 100 M MACs (--max-macs)`."""
        count = len(self._left_out[name])
        side = "more" if name.startswith("max") else "fewer"
        what = WORDS[name.partition("_")[2]]
        return (
            f"{counted(count, 'network')} of {side} than {_amount(self._bounds[name])} {what} "
            f"(--{name.replace('_', '-')})"
        )


def _amount(bound: float) -> str:
    """Write a bound as its user meant it: 100 M, and 60 where the M was forgotten."""
    return f"{bound / 1e6:g} M" if bound >= 1e4 else f"{bound:g}"


def _figure(name: str, network_cost: Cost) -> int:
    return network_cost.macs if name.endswith("macs") else network_cost.num_params


def _within(name: str, bound: float, network_cost: Cost) -> bool:
    figure = _figure(name, network_cost)
    return figure <= bound if name.startswith("max") else figure >= bound
