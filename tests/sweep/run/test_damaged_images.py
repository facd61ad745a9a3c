"""Damaged images of a sweep are an error before any training, or are left out of the plan and listed."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import run_sweep
from sweep.config import SweepConfig
from sweep.plan.left import all_left
from sweep.plan.plan import Plan, make_plan
from sweep.run.damaged_images import LIST, without_damaged_images, write_damaged
from tests.sweep.conftest import quick_config
from trainers.datasets.dataset import Dataset
from trainers.errors import ConfigError

DAMAGED: Mapping[str, str] = {"train/a/000.png": "b", "train/b/caf\udce9.png": "no image", "val/b/000.png": ""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of 40 training images, two of them damaged, and 20 validation images, one of them damaged."""
    random = np.random.default_rng(0)
    for place, count in {"train/a": 20, "train/b": 20, "val/a": 10, "val/b": 10}.items():
        (tmp_path / "pets" / place).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(
                tmp_path / "pets" / place / f"{i:03}.png"
            )
    (tmp_path / "pets/train/b/000.png").rename(tmp_path / "pets/train/b/caf\udce9.png")
    for path, content in DAMAGED.items():
        (tmp_path / "pets" / path).write_text(content)
    return tmp_path / "pets"


def config(tmp_path: Path, folder: Path, max_damaged: float) -> SweepConfig:
    quick = quick_config(tmp_path / "runs", "width_mult=0.25", "resolution=16", data=str(folder))
    return replace(quick, max_damaged=max_damaged)


def checked(config: SweepConfig, announced: list[str]) -> tuple[Plan, list[Dataset]]:
    """Return the plan and its datasets without damaged images."""
    left, datasets = without_damaged_images(all_left(make_plan(config)), announced.append)
    left.plan.folder.mkdir(parents=True, exist_ok=True)
    return left.plan, datasets


def test_damaged_images_are_left_out_and_listed(tmp_path: Path, folder: Path) -> None:
    plan, datasets = checked(config(tmp_path, folder, 0.05), announced := [])

    line = write_damaged(datasets, plan.folder)

    path = plan.folder / "damaged_images.csv"
    assert line == f"3 damaged images left out, listed in {path}"
    assert list(csv.reader(path.open(encoding="utf-8"))) == [
        ["split", "image", "reason"],
        ["train", f"{folder}/train/a/000.png", "no image that Pillow knows"],
        ["train", f"{folder}/train/b/caf\\xe9.png", "no image that Pillow knows"],
        ["val", f"{folder}/val/b/000.png", "no image that Pillow knows"],
    ]
    assert plan.dataset.sizes == "38 train, 19 val"
    assert {point.dataset.sizes for point in plan.points} == {"38 train, 19 val"}
    assert "3 damaged images left out" in plan.summary
    assert announced == ["checking that the 60 images of pets can be read, once on each machine ..."]


def test_without_damaged_images_an_old_list_is_removed(tmp_path: Path, folder: Path) -> None:
    for path in DAMAGED:
        Image.new("RGB", (5, 5)).save(folder / path)
    plan, datasets = checked(config(tmp_path, folder, 0.0), [])
    (plan.folder / LIST).write_text("written by an earlier start; the images have been repaired")

    assert write_damaged(datasets, plan.folder) is None
    assert plan.dataset.sizes == "40 train, 20 val"
    assert list(plan.folder.iterdir()) == []


@pytest.mark.parametrize(("max_damaged", "refused"), [(0.0, True), (0.01, True), (0.0499, True), (0.05, False)])
def test_more_damaged_images_than_the_given_share_are_an_error(
    tmp_path: Path, folder: Path, max_damaged: float, refused: bool
) -> None:
    if not refused:
        checked(config(tmp_path, folder, max_damaged), [])
        return
    with pytest.raises(ConfigError, match=r"^2 of 40 images of pets, train, are damaged, 5 % and not .*000.png \("):
        checked(config(tmp_path, folder, max_damaged), [])


def test_too_many_damaged_images_are_one_line_and_start_nothing(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--space", "mnv2_quick", "--data", str(folder), "--runs", str(tmp_path / "runs")]

    assert run_sweep.main(arguments) == 2

    captured = capsys.readouterr()
    assert captured.err == (
        "error: 2 of 40 images of pets, train, are damaged, 5 % and not 1 % at most; repair or remove them, or leave "
        f"them out with --max-damaged 0.05: {folder}/train/a/000.png (no image that Pillow knows), "
        f"{folder}/train/b/caf\\xe9.png (no image that Pillow knows)\n"
    )
    assert captured.out == "checking that the 60 images of pets can be read, once on each machine ...\n"
    assert not (tmp_path / "runs").exists()


def test_a_plan_checks_no_image_and_uses_an_earlier_check(tmp_path: Path, folder: Path) -> None:
    settings = config(tmp_path, folder, 0.05)
    before = make_plan(settings)
    assert before.dataset.sizes == "40 train, 20 val"

    after, _ = checked(settings, [])

    assert make_plan(settings).dataset is after.dataset
    assert [point.id for point in after.points] == [point.id for point in before.points]


def test_the_suggested_share_suffices_for_every_split(tmp_path: Path, folder: Path) -> None:
    (folder / "val/a/003.png").write_bytes(b"")

    with pytest.raises(ConfigError, match=r"^2 of 20 images of pets, val, .* --max-damaged 0\.1: "):
        checked(config(tmp_path, folder, 0.01), [])
    assert checked(config(tmp_path, folder, 0.1), [])[0].dataset.sizes == "38 train, 18 val"
