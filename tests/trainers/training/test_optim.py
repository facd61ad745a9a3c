"""An optimiser has the algorithm and settings of its configuration, and decays only the parameters it should."""

from typing import Any, get_args, get_type_hints

import pytest
import torch
from torch import nn

from trainers.config import TrainConfig
from trainers.models.registry import MODELS, build_model
from trainers.training.optim import SPARED, build_optimizer
from trainers.training.rmsprop_tf import RMSpropTF

OPTIMIZERS = get_args(get_type_hints(TrainConfig)["optimizer"])


def small(**settings: Any) -> TrainConfig:
    return TrainConfig(num_classes=10, width_mult=0.1, resolution=32, **settings)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("decay", SPARED)
def test_parameter_groups_contain_every_parameter_once(model: str, optimizer: str, decay: str) -> None:
    config = small(model=model, optimizer=optimizer, decay=decay)
    network = build_model(config)
    parameter_ids = [id(p) for group in build_optimizer(network, config).param_groups for p in group["params"]]

    assert sorted(parameter_ids) == sorted(map(id, network.parameters()))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("decay", SPARED)
def test_weight_decay_spares_the_parameters_of_its_rule(model: str, decay: str) -> None:
    config = small(model=model, decay=decay, weight_decay=0.01)
    network = build_model(config)
    decays = {
        id(p): group["weight_decay"] for group in build_optimizer(network, config).param_groups for p in group["params"]
    }
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            is_norm = isinstance(module, nn.BatchNorm2d)
            is_depthwise = isinstance(module, nn.Conv2d) and module.weight.shape[1] == 1 and module.in_channels > 1
            is_decayed = {
                "all": True,
                "not_norm": not is_norm,
                "weights": not is_norm and name == "weight",
                "not_depthwise": not is_norm and name == "weight" and not is_depthwise,
            }
            assert decays[id(parameter)] == (0.01 if is_decayed[decay] else 0.0)


@pytest.mark.parametrize("decay", SPARED)
def test_weight_decay_spares_synchronised_normalisation_too(decay: str) -> None:
    """Equal parameter groups let a checkpoint resume with any number of workers."""
    config = small(decay=decay)
    network = build_model(config)
    synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(build_model(config))

    sizes = [
        [[p.shape for p in group["params"]] for group in build_optimizer(model, config).param_groups]
        for model in (network, synchronised)
    ]

    assert sizes[0] == sizes[1]


def test_decay_of_all_parameters_makes_one_group() -> None:
    config = small(weight_decay=0.01)
    (group,) = build_optimizer(build_model(config), config).param_groups

    assert group["weight_decay"] == 0.01


@pytest.mark.parametrize(
    ("optimizer", "kind", "expected"),
    [
        ("sgd", torch.optim.SGD, {"momentum": 0.8, "nesterov": False, "dampening": 0}),
        ("rmsprop", torch.optim.RMSprop, {"momentum": 0.8, "alpha": 0.9, "eps": 1e-3, "centered": False}),
        ("rmsprop_tf", RMSpropTF, {"momentum": 0.8, "alpha": 0.9, "eps": 1e-3}),
        ("adamw", torch.optim.AdamW, {"betas": (0.8, 0.999)}),
    ],
)
def test_optimizer_takes_rate_momentum_and_decay(optimizer: str, kind: type, expected: dict[str, Any]) -> None:
    config = small(optimizer=optimizer, lr=0.3, momentum=0.8, weight_decay=0.02)
    built = build_optimizer(build_model(config), config)
    (group,) = built.param_groups

    assert type(built) is kind
    assert group.items() >= (expected | {"lr": 0.3, "weight_decay": 0.02}).items()


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "rmsprop_tf"])
def test_decay_acts_on_the_decayed_group_alone(optimizer: str) -> None:
    """With zero gradients a step moves a parameter only by its decay."""
    config = small(optimizer=optimizer, decay="weights", weight_decay=0.1, lr=0.5)
    network = nn.Linear(3, 2)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)

    build_optimizer(network, config).step()

    assert torch.equal(network.bias, before["bias"])
    assert not torch.equal(network.weight, before["weight"])
    if optimizer == "sgd":
        torch.testing.assert_close(network.weight, before["weight"] * (1 - 0.5 * 0.1))


def test_rmsprop_tf_follows_the_kernel_of_tensorflow() -> None:
    """The expected values are those of tf.raw_ops.ApplyRMSProp, written out for one number."""
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer = RMSpropTF([weight], lr=0.1, alpha=0.9, eps=1.0, momentum=0.9, weight_decay=0.5)
    value, mean_square, step = 2.0, 1.0, 0.0
    for gradient, lr in [(1.0, 0.1), (-3.0, 0.1), (2.0, 0.01), (0.5, 0.01)]:
        optimizer.param_groups[0]["lr"] = lr
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        total = gradient + 0.5 * value
        mean_square = 0.9 * mean_square + 0.1 * total**2
        step = 0.9 * step + lr * total / (mean_square + 1.0) ** 0.5
        value -= step
        assert weight.item() == pytest.approx(value, rel=1e-5)
