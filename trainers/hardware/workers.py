"""The processes that train one point together, where there are several: which is this one, and what they share.

Whoever starts them sets up `torch.distributed`; without it this process is alone and every function here does nothing.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Workers:
    """This process among those that train together."""

    rank: int = 0
    """From 0; rank 0 writes the checkpoints."""
    count: int = 1

    @classmethod
    def current(cls) -> "Workers":
        """The process group that this process is in, or this process alone."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def share_of(self, num_images: int) -> slice:
        """The images of a batch that are this worker's; those of all workers are the batch, none of them twice."""
        return slice(self.rank, num_images, self.count)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """`values`, in place, summed over the workers."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def any(self, holds: bool) -> bool:
        """Whether it holds for one of the workers; the same for all."""
        place = "cuda" if self.count > 1 and dist.get_backend() == "nccl" else "cpu"
        return bool(self.sum(torch.tensor(float(holds), device=place)))

    def all_of(self, value: Any) -> list[Any]:
        """What each worker has, by rank; any object."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def agree(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give every worker the values that rank 0 has."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def wrap(self, model: nn.Module) -> nn.Module:
        """A module that computes as `model` does and averages the gradients over the workers."""
        return DistributedDataParallel(model) if self.count > 1 else model

    def averaging(self, wrapped: nn.Module, *, now: bool) -> AbstractContextManager[None]:
        """A context of forward and backward passes after which the gradients are averaged `now`, or added up only."""
        return nullcontext() if now or not isinstance(wrapped, DistributedDataParallel) else wrapped.no_sync()
