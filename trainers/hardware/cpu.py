"""Name of the CPU of this machine."""

import platform
from pathlib import Path


def cpu_name() -> str:
    """Return the model name of the CPU, or its architecture where the system does not give the name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
