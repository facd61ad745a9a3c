"""A training runs in the precision of its settings, or in a fast one of its device."""

import pytest
import torch

from trainers.config import TrainConfig
from trainers.hardware.device import Device, gpu_names, is_out_of_memory, limit_process

HAS_GPU = torch.cuda.is_available()


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_forward_pass_runs_in_the_requested_precision(precision: str, dtype: torch.dtype) -> None:
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
def test_automatic_precision_of_a_cpu_is_a_fast_one(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)

    assert str(Device.of(TrainConfig())) == f"cpu {precision}"
    assert gpu_names() == []


@pytest.mark.parametrize(("gpu_share", "limits"), [(0.0, []), (0.25, [0.25]), (1.0, []), (2.0, [])])
def test_process_on_a_shared_gpu_is_limited_to_its_share_of_memory(
    monkeypatch: pytest.MonkeyPatch, gpu_share: float, limits: list[float]
) -> None:
    shares: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)

    limit_process(torch.get_num_threads(), gpu_share)

    assert shares == limits


def test_out_of_memory_error_of_a_cpu_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)

    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("the loss stopped being a number"))
