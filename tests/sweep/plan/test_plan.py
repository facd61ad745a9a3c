"""A plan has the right points, ids and costs."""

import json
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

import pytest

from search_spaces.registry import SPACES, get_space
from sweep.config import SweepConfig, to_json
from sweep.plan.plan import make_plan
from sweep.plan.points import point_id
from sweep.run.log import ResultsLog
from tests.sweep.conftest import measurement, open_recorder, quick_config
from trainers.config import TrainConfig
from trainers.errors import ConfigError
from trainers.models.cost import cost

OTHER_VALUES = {
    "model": "mobilenet_v1", "width_mult": 0.5, "resolution": 96, "num_classes": 7, "dropout": 0.3, "round_nearest": 4,
    "total_stride": 16, "epochs": 3, "batch_size": 64, "accumulate": 2, "optimizer": "adamw", "lr": 0.1,
    "momentum": 0.8, "weight_decay": 1e-3, "decay": "weights", "label_smoothing": 0.1, "lr_schedule": "step",
    "lr_gamma": 0.2, "lr_step_epochs": 7.0, "warmup_epochs": 1.0, "crop_scale": 0.3, "crop_share": 0.9, "hflip": 0.0,
    "precision": "fp32", "seed": 1, "lr_base_batch": 256, "rmsprop_eps": 1.0, "smoothing_over": "others",
    "lr_update": "epoch", "warmup_start_lr": 0.01, "ema_decay": 0.9, "bn_momentum": 0.01, "bn_eps": 1e-3,
    "train_scale": 0.8, "augment": "autoaugment", "random_erase": 0.1, "mixup": 0.2, "cutmix": 1.0, "repeats": 2,
    "eval_margin": 32, "sync_bn": True, "init": "published",
}  # fmt: skip


@pytest.mark.parametrize("field", [f.name for f in fields(TrainConfig) if f.name != "data"])
def test_every_setting_changes_the_point_id(field: str) -> None:
    config = TrainConfig(num_classes=10)

    multistep = {"lr_schedule": "multistep", "lr_milestones": (30,)}
    changed = replace(config, **(multistep if field == "lr_milestones" else {field: OTHER_VALUES[field]}))

    assert point_id(changed, "data", "classifier") != point_id(config, "data", "classifier")


def test_a_setting_at_its_default_is_not_in_the_id() -> None:
    """This id dates from a version without `ema_decay`, `mixup` and other fields, and must never change."""
    assert point_id(TrainConfig(num_classes=10, epochs=5), "data", "classifier") == "mobilenet_v2_1_224-a85010f6"


def test_other_images_change_the_point_id_and_another_path_does_not() -> None:
    here, there = TrainConfig(data="/here"), TrainConfig(data="/there")

    assert point_id(here, "same", "classifier") == point_id(there, "same", "classifier")
    assert point_id(here, "same", "classifier") != point_id(here, "other", "classifier")
    assert point_id(here, "same", "classifier") != point_id(here, "same", "other")


@pytest.mark.parametrize("name", SPACES)
def test_every_space_plans_distinct_points_with_their_cost(name: str, tmp_path: Path) -> None:
    plan = make_plan(SweepConfig(space=name, train=get_space(name).base, num_samples=None, runs=tmp_path))

    ids = [point.id for point in plan.points]
    assert len(set(ids)) == len(ids) > 0
    assert all(point.cost == cost(point.config) for point in plan.points)
    assert {point.point.fingerprint for point in plan.points} == {plan.dataset.fingerprint}
    assert list(tmp_path.iterdir()) == []


def test_classes_come_from_the_data_unless_given(tmp_path: Path) -> None:
    assert make_plan(quick_config(tmp_path)).points[0].config.num_classes == 10
    assert make_plan(quick_config(tmp_path, num_classes=1000)).points[0].config.num_classes == 1000
    with pytest.raises(ConfigError, match="num_classes is 9, but digits has 10 classes"):
        make_plan(quick_config(tmp_path, num_classes=9))


@pytest.mark.parametrize("settings", [{"warmup_epochs": 1.0}, {"epochs": 1, "warmup_epochs": 0.5}])
def test_a_first_epoch_without_learning_is_an_error(tmp_path: Path, settings: dict[str, float]) -> None:
    config = quick_config(tmp_path, lr_update="epoch", **settings)

    with pytest.raises(ConfigError, match="the first epoch would train at a learning rate of 0"):
        make_plan(config)

    for remedy in ({"warmup_start_lr": 1e-4}, {"lr_update": "step"}):
        make_plan(replace(config, train=replace(config.train, **remedy)))


def test_networks_without_published_weights_are_left_out_and_counted(tmp_path: Path) -> None:
    plan = make_plan(quick_config(tmp_path, "width_mult=1,0.75,0.6,0.35,0.1", "resolution=96,128", init="published"))

    assert {point.config.width_mult for point in plan.points} == {1.0, 0.75, 0.35}
    assert plan.dropped == ("4 networks without published weights (mobilenet_v2 0.6, mobilenet_v2 0.1)",)
    capped = quick_config(tmp_path, "width_mult=1,0.5,1.4", "resolution=96", init="published")
    macs = next(p.cost.macs for p in plan.points if (p.config.width_mult, p.config.resolution) == (1.0, 96))
    within = make_plan(replace(capped, max_macs=float(macs)))
    assert [reason.split(" of ")[0] for reason in within.dropped] == ["1 network"]  # 1.4 is above the cap


def test_a_plan_of_networks_without_published_weights_alone_is_an_error(tmp_path: Path) -> None:
    for width, others in (("0.6", {}), ("0.1", {}), ("1", {"model": "mobilenet_v1"})):
        with pytest.raises(
            ConfigError, match=r"^no published weights of .* mobilenet_v2 0.1 \(round_nearest 4\), .*v3_sm"
        ):
            make_plan(quick_config(tmp_path, f"width_mult={width}", init="published", **others))


def test_axes_of_the_command_line_replace_axes_of_the_space_or_add_to_them(tmp_path: Path) -> None:
    plan = make_plan(quick_config(tmp_path, "width_mult=0.25,0.3", "dropout=0,0.2"))

    cells = [(p.config.width_mult, p.config.resolution, p.config.dropout) for p in plan.points]
    assert cells == [(w, r, d) for w in (0.25, 0.3) for r in (28, 24, 20) for d in (0.0, 0.2)]
    assert plan.varied == ("width_mult", "resolution", "dropout")


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (("dropout=0,0.2", "dropout=0.3"), "an axis is given twice"),
        (("width_mult=0",), "width_mult is 0.0; it must be above 0"),
        (("model=mobilenet_v9",), "unknown model 'mobilenet_v9'; did you mean mobilenet_v2 or "),
        (("widths=1",), "unknown axis 'widths'"),
    ],
)
def test_wrong_axes_fail_before_anything_runs(tmp_path: Path, axes: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_plan(quick_config(tmp_path, *axes))


@pytest.mark.parametrize(
    ("batch_sizes", "accumulate", "workers", "message"),
    [
        ("64,14", 2, 4, "batch_size=14 has 14 images, but 4 workers need 16, two for each part"),
        ("4096", 1, 600, "has 1078 images, but 600 workers need 1200"),
        ("64,14", 1, 4, None),
        ("14", 7, 1, None),
    ],
)
def test_every_worker_needs_two_images_of_each_part(
    tmp_path: Path, batch_sizes: str, accumulate: int, workers: int, message: str | None
) -> None:
    config = replace(
        quick_config(tmp_path, f"batch_size={batch_sizes}", accumulate=accumulate), workers_per_trial=workers
    )
    if message is None:
        make_plan(config)
    else:
        with pytest.raises(ConfigError, match=message):
            make_plan(config)


def test_labels_show_the_settings_that_vary(tmp_path: Path) -> None:
    plan = make_plan(
        quick_config(tmp_path, "width_mult=0.25", "resolution=20", "dropout=0,0.2", "lr_schedule=cosine,linear")
    )

    assert [point.label.partition(" ")[2] for point in plan.points] == [
        "dropout=0 lr_schedule=cosine", "dropout=0 lr_schedule=linear",
        "dropout=0.2 lr_schedule=cosine", "dropout=0.2 lr_schedule=linear",
    ]  # fmt: skip
    assert plan.points[0].label.startswith("mobilenet_v2_0.25_20 ")


def test_a_summary_shows_shared_settings_and_the_total_number_of_epochs(tmp_path: Path) -> None:
    plan = make_plan(quick_config(tmp_path, "width_mult=0.25", "resolution=20,24", "epochs=2,3"))

    assert plan.summary.startswith("mnv2_quick-digits: 4 points on digits (1078 train")
    assert "num_classes 10, total_stride 8, batch_size 32, optimizer adamw, lr 0.005" in plan.summary
    assert plan.summary.endswith("; 10 epochs in all")


def test_an_unknown_trainer_is_an_error_that_lists_the_trainers(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown trainer 'magic'; choose from classifier"):
        make_plan(replace(quick_config(tmp_path), trainer="magic"))


def test_the_table_has_one_row_for_each_point_with_exact_costs(tmp_path: Path) -> None:
    plan = make_plan(SweepConfig(space="mnv2_grid", train=TrainConfig(num_classes=1000), runs=tmp_path))

    table = plan.table()

    cell = table[(table.width_mult == 1.0) & (table.resolution == 224)].iloc[0]
    assert (len(table), cell.macs, cell.num_params) == (22, 300_774_272, 3_504_872)


def test_each_cap_is_listed_with_the_networks_that_it_leaves_out(tmp_path: Path) -> None:
    config = replace(quick_config(tmp_path, "lr=0.01,0.02"), max_macs=13.0e6, min_params=3e5)

    plan = make_plan(config)

    cells = [(p.config.width_mult, p.config.resolution) for p in plan.points]
    assert cells == [(w, r) for w, r in [(0.5, 20), (0.35, 24), (0.35, 20)] for _ in range(2)]
    assert plan.dropped == (
        "3 networks of more than 13 M MACs (--max-macs)",
        "3 networks of fewer than 0.3 M parameters (--min-params)",
    )
    assert all(text in plan.summary for text in plan.dropped)


def test_a_plan_without_networks_is_an_error_that_names_the_cap_and_the_nearest_network(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"9 networks of more than 1 M MACs \(--max-macs\), the least 4\.22 M"):
        make_plan(replace(quick_config(tmp_path), max_macs=1e6))


def test_drawn_widths_stay_within_the_caps_and_drawing_ends(tmp_path: Path) -> None:
    axes = ("width_mult=uniform(0.1,1.0)", "resolution=20")
    plan = make_plan(replace(quick_config(tmp_path, *axes), num_samples=4, max_macs=8e6))

    assert plan.points
    assert max(point.cost.macs for point in plan.points) <= 8e6
    with pytest.raises(ConfigError, match="no network is left"):
        make_plan(replace(quick_config(tmp_path, *axes), num_samples=1, max_macs=1e5))


def test_widths_with_equal_channels_are_one_point(tmp_path: Path) -> None:
    """Widths 0.35 and 0.36 round to equal channels."""
    plan = make_plan(quick_config(tmp_path, "width_mult=0.35,0.36,0.5", "resolution=20", "dropout=0,0.2"))

    assert [p.config.width_mult for p in plan.points] == [0.35, 0.35, 0.5, 0.5]
    assert plan.dropped == ("2 points whose width rounds to the channels of another",)


def test_seeds_replicate_every_point(tmp_path: Path) -> None:
    config = quick_config(tmp_path, "width_mult=0.25,0.5", "resolution=20", seed=5)

    plan = make_plan(replace(config, seeds=3))

    assert [(p.config.width_mult, p.config.seed) for p in plan.points] == [
        (w, s) for w in (0.25, 0.5) for s in (5, 6, 7)
    ]
    with pytest.raises(ConfigError, match="seed is an axis"):
        replace(config, seeds=2, axis=("seed=1,2",))


def test_a_distribution_is_an_error_for_the_grid_sampler(tmp_path: Path) -> None:
    config = replace(quick_config(tmp_path, "lr=loguniform(0.001,0.1)"), sampler="grid")

    with pytest.raises(ConfigError, match="every combination of listed values, but not lr"):
        make_plan(config)


def test_promoted_points_keep_their_settings_except_for_changed_ones(tmp_path: Path) -> None:
    origin = quick_config(tmp_path, "width_mult=0.25,0.5", "resolution=20", "lr=0.01,0.02")
    plan = make_plan(origin)
    with closing(ResultsLog(plan.folder)) as log:
        recorder = open_recorder(plan.points, log)
        for point in plan.points:
            recorder.measured(measurement(point, origin.train.epochs))
    (plan.folder / "config.json").write_text(json.dumps(to_json(origin)))
    chosen = tuple(str(plan.folder / plan.points[i].id) for i in (0, 3))

    config = replace(origin, axis=(), promoted=chosen, seeds=2, train=replace(origin.train, epochs=9))
    promoted = make_plan(config)

    settings = [(p.config.width_mult, p.config.lr, p.config.epochs, p.config.seed) for p in promoted.points]
    assert settings == [(0.25, 0.01, 9, 0), (0.25, 0.01, 9, 1), (0.5, 0.02, 9, 0), (0.5, 0.02, 9, 1)]
    with pytest.raises(ConfigError, match="no point other in"):
        make_plan(replace(config, promoted=(str(plan.folder / "other"),)))
