"""Published weights from which the networks of a plan start, and the networks that have none."""

from trainers.config import TrainConfig
from trainers.errors import ConfigError, counted
from trainers.models.cost import network_key


class Starts:
    """Leaves out networks that are to start from published weights but have none."""

    def __init__(self) -> None:
        self._without: dict[object, str] = {}
        self.error: ConfigError | None = None
        """Why the first network was left out; None if none was."""

    def __call__(self, config: TrainConfig) -> bool:
        """Whether the network of `config` has the weights that its training starts from."""
        if config.init != "published":
            return True
        from trainers.training.start import published_start  # the published weights take a second to import

        try:
            published_start(config)
        except ConfigError as error:
            self.error = self.error or error
            self._without[network_key(config)] = f"{config.model} {config.width_mult:g}"
            return False
        return True

    @property
    def dropped(self) -> list[str]:
        """One line with the number of networks without weights; none if there are weights for all."""
        names = ", ".join(dict.fromkeys(self._without.values()))
        return [f"{counted(len(self._without), 'network')} without published weights ({names})"] if names else []
