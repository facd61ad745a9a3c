"""The device and the arithmetic of a training, and its share of the machine."""

import ctypes
import gc
from dataclasses import dataclass

import torch
from torch import nn

from trainers.config import TrainConfig
from trainers.hardware.depthwise import use_fast_bf16_gradients

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of these settings in glibc's malloc.h."""


@dataclass(frozen=True)
class Device:
    """The device and the arithmetic of a training."""

    place: torch.device
    precision: str
    """fp32, bf16 or fp16."""

    @classmethod
    def of(cls, config: TrainConfig) -> "Device":
        """Return the GPU of this process, else the CPU; precision `auto` is bf16 with bf16 hardware, else fp32."""
        cuda = torch.cuda.is_available()
        has_bf16 = torch.cuda.is_bf16_supported() if cuda else cpu_has_bf16()
        automatic = "bf16" if has_bf16 else "fp32"
        precision = automatic if config.precision == "auto" else config.precision
        return cls(torch.device("cuda" if cuda else "cpu"), precision)

    def prepare(self, model: nn.Module) -> nn.Module:
        """Return `model`, moved to this device for training."""
        if self.place.type == "cpu":
            keep_freed_memory()
            if self.precision == "bf16":
                use_fast_bf16_gradients(model)
        return model.to(self.place, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def autocast(self) -> torch.autocast:
        """The context manager for a forward pass in this arithmetic."""
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.place.type, dtype, enabled=self.precision != "fp32")

    def __str__(self) -> str:
        name = torch.cuda.get_device_name() if self.place.type == "cuda" else "cpu"
        return f"{name} {self.precision}"


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware, by AVX-512 BF16 or AMX."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def keep_freed_memory() -> None:
    """Let this process reuse the memory that it frees, if its C library has `mallopt`.

    By default glibc returns the memory of large tensors to the system, which clears the pages again for every training
    step on a CPU: a quarter to a third of the time of the step (measured, PyTorch 2.13). With this setting the process
    keeps its peak memory until it ends.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def limit_process(num_threads: int, gpu_share: float) -> None:
    """Limit this process to `num_threads` CPU threads and to `gpu_share` of the memory of a shared GPU."""
    torch.set_num_threads(num_threads)
    if 0 < gpu_share < 1 and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(gpu_share)


def use_gpu(index: int) -> None:
    """Make the visible GPU `index` the current GPU of this process; do nothing without a GPU."""
    if torch.cuda.is_available():
        torch.cuda.set_device(index)


def is_device_lost(error: Exception) -> bool:
    """Whether `error`, such as an illegal memory access, leaves this process without a usable GPU."""
    return isinstance(error, torch.AcceleratorError)


def is_out_of_memory(error: Exception) -> bool:
    """Whether `error` says that the memory of a GPU or of the machine does not suffice."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def free_memory() -> None:
    """Return the GPU memory that PyTorch caches to the system."""
    gc.collect()  # tensors that the traceback of an error referred to
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def gpu_names() -> list[str]:
    """Return the names of the GPUs that this process sees."""
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
