"""Which arithmetic a training runs in."""

import pytest
import torch

from trainers.config import TrainConfig
from trainers.hardware.device import Device, gpu_names, limit_process

HAS_GPU = torch.cuda.is_available()


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_forward_pass_runs_in_the_precision_asked_for(precision: str, dtype: torch.dtype) -> None:
    device = Device.of(TrainConfig(precision=precision))  # type: ignore[arg-type]
    layer = torch.nn.Conv2d(3, 4, 1).to(device.place)
    with device.autocast:
        output = layer(torch.ones(1, 3, 2, 2, device=device.place))

    assert output.dtype == dtype
    assert str(device).endswith(f" {precision}")


@pytest.mark.skipif(HAS_GPU, reason="a GPU chooses for itself")
@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [({"avx512_bf16": True, "amx_bf16": False}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx512_f": True}, "fp32")],
)
def test_automatic_precision_of_a_cpu_is_what_it_computes_fast(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)

    assert str(Device.of(TrainConfig())) == f"cpu {precision}"
    assert gpu_names() == []


@pytest.mark.parametrize("num_threads", [1, 2])
def test_process_keeps_to_its_threads(num_threads: int) -> None:
    before = torch.get_num_threads()
    limit_process(num_threads, gpu_share=1.0)
    try:
        assert torch.get_num_threads() == num_threads
    finally:
        torch.set_num_threads(before)
