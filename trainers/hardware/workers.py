"""The workers: processes that train one point together, and exchange tensors and objects.

The starter of the workers sets up `torch.distributed`; without it, this process is the only worker and every method
leaves its argument unchanged.
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
    """The place of this process among the workers."""

    rank: int = 0
    """Number of this worker, from 0; rank 0 writes the checkpoints."""
    count: int = 1

    @classmethod
    def current(cls) -> "Workers":
        """Return the place of this process in its process group; without a group, it is the only worker."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this worker has rank 0."""
        return self.rank == 0

    def share_of(self, num_images: int) -> slice:
        """Return the slice of a batch that this worker processes; each image of the batch belongs to one worker."""
        return slice(self.rank, num_images, self.count)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Sum `values` over the workers, in place, and return them."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def any(self, holds: bool) -> bool:
        """Whether `holds` is true on one or more workers; all workers get one answer."""
        place = "cuda" if self.count > 1 and dist.get_backend() == "nccl" else "cpu"
        return bool(self.sum(torch.tensor(float(holds), device=place)))

    def all_of(self, value: Any) -> list[Any]:
        """Return the objects `value` of all workers, in the order of their ranks."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def agree(self, tensors: Iterable[torch.Tensor]) -> None:
        """Copy the values of `tensors` from rank 0 to every worker, in place."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return a module that computes like `model` and averages the gradients over the workers."""
        return DistributedDataParallel(model) if self.count > 1 else model

    def averaging(self, wrapped: nn.Module, *, now: bool) -> AbstractContextManager[None]:
        """Return a context for a forward and backward pass that averages the gradients `now`, or only adds them up."""
        return nullcontext() if now or not isinstance(wrapped, DistributedDataParallel) else wrapped.no_sync()
