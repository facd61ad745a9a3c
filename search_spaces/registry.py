"""SPACES: the search spaces by name."""

from search_spaces import mobilenet_grids, quick
from search_spaces.space import SearchSpace
from trainers.errors import unknown_choice

SPACES: dict[str, SearchSpace] = {
    "mnv2_quick": quick.MNV2_QUICK,
    "mnv2_grid": mobilenet_grids.MNV2_GRID,
    "mnv2_dli14": mobilenet_grids.MNV2_DLI14,
    "mnv2_recipes": mobilenet_grids.MNV2_RECIPES,
    "mnv2_small_images": mobilenet_grids.MNV2_SMALL_IMAGES,
    "mnv1_grid": mobilenet_grids.MNV1_GRID,
    "mnv3_grid": mobilenet_grids.MNV3_GRID,
}


def get_space(name: str) -> SearchSpace:
    """Return the search space called `name`.

    Raises:
        ConfigError: no search space has this name; the message lists all names.
    """
    if name not in SPACES:
        raise unknown_choice("search space", name, SPACES)
    return SPACES[name]
