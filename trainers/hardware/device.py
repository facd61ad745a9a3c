"""Where a training runs, in which arithmetic, and with how much of the machine."""

import ctypes
import gc
from dataclasses import dataclass

import torch
from torch import nn

from trainers.config import TrainConfig
from trainers.hardware.depthwise import use_fast_bf16_gradients

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""glibc's numbers of these settings, from malloc.h."""


@dataclass(frozen=True)
class Device:
    """Where a training runs and in which arithmetic."""

    place: torch.device
    precision: str
    """fp32, bf16 or fp16."""

    @classmethod
    def of(cls, config: TrainConfig) -> "Device":
        """The GPU that this process sees, else the CPU; `auto` precision is bf16 where the device has it, else fp32."""
        cuda = torch.cuda.is_available()
        has_bf16 = torch.cuda.is_bf16_supported() if cuda else cpu_has_bf16()
        automatic = "bf16" if has_bf16 else "fp32"
        precision = automatic if config.precision == "auto" else config.precision
        return cls(torch.device("cuda" if cuda else "cpu"), precision)

    def prepare(self, model: nn.Module) -> nn.Module:
        """`model`, moved here to be trained."""
        if self.place.type == "cpu":
            keep_freed_memory()
            if self.precision == "bf16":
                use_fast_bf16_gradients(model)
        return model.to(self.place, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def autocast(self) -> torch.autocast:
        """The context of a forward pass in this arithmetic."""
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.place.type, dtype, enabled=self.precision != "fp32")

    def __str__(self) -> str:
        name = torch.cuda.get_device_name() if self.place.type == "cuda" else "cpu"
        return f"{name} {self.precision}"


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware: AVX-512 BF16 or AMX."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def keep_freed_memory() -> None:
    """Have this process reuse the memory that it frees, as PyTorch does on GPUs, where its C library can be told to.

    glibc otherwise gives large tensors back to the system, and every training step of a CPU clears their pages anew:
    a quarter to a third of its time (measured, PyTorch 2.13). The process holds its peak memory until it ends.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def limit_process(num_threads: int, gpu_share: float) -> None:
    """Keep this process to `num_threads` CPU threads and, where it shares a GPU, to `gpu_share` of its memory."""
    torch.set_num_threads(num_threads)
    if 0 < gpu_share < 1 and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(gpu_share)


def use_gpu(index: int) -> None:
    """Make GPU `index` of those that this process sees its own, where there are any."""
    if torch.cuda.is_available():
        torch.cuda.set_device(index)


def is_device_lost(error: Exception) -> bool:
    """Whether `error` leaves this process without a usable GPU, as an illegal memory access does."""
    return isinstance(error, torch.AcceleratorError)


def is_out_of_memory(error: Exception) -> bool:
    """Whether `error` says that the memory of a GPU, or of the machine, does not suffice."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def free_memory() -> None:
    """Give back the GPU memory that PyTorch keeps for later."""
    gc.collect()  # what an error's traceback has held
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def gpu_names() -> list[str]:
    """The GPUs that this process sees."""
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
