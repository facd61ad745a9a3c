"""Image folders of every usual layout are read; errors say what to do."""

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainers.datasets.dataset import Dataset, is_imagenet
from trainers.datasets.pixels.decode import Decoder
from trainers.datasets.registry import load_dataset
from trainers.datasets.sources.folder import image_folder
from trainers.datasets.splits import Part
from trainers.errors import ConfigError

MakeFolder = Callable[[Mapping[str, int]], Path]

IMAGENET = ("n01440764", *(f"n{i:08}" for i in range(2_000_000, 2_000_998)), "n15075141")
RED, WIDTH, HEIGHT = (200, 40, 10), 40, 24
LEFT_DARK_RIGHT_BRIGHT = np.repeat(np.linspace(0, 1, WIDTH)[None], HEIGHT, axis=0)


def files(dataset: Dataset, split: str) -> list[str]:
    """Return CLASS/IMAGE of every image of a split, in order."""
    decode = dataset.splits[split].decode  # type: ignore[index]
    members = list(range(len(dataset.splits[split])))  # type: ignore[index]
    if isinstance(decode, Part):
        decode, members = decode.whole, decode.members.tolist()
    assert isinstance(decode, Decoder)
    return ["/".join(Path(decode.paths[i]).parts[-2:]) for i in members]


def decode(path: Path, short_side: int = 256) -> np.ndarray:
    return Decoder([str(path)])(0, short_side)


def plain(mode: str) -> Image.Image:
    return Image.new("RGB", (WIDTH, HEIGHT), RED).convert(mode)


def palette(transparent: bool) -> Image.Image:
    image = plain("RGB").quantize(4)
    if transparent:
        image.info["transparency"] = bytes([128] * 4)
    return image


def rgba() -> Image.Image:
    image = plain("RGBA")
    image.putalpha(0)
    return image


GREY = (round(0.299 * 200 + 0.587 * 40 + 0.114 * 10),) * 3
COLOURS: dict[str, tuple[Callable[[], Image.Image], str, tuple[int, ...], int]] = {
    "rgb": (lambda: plain("RGB"), "a.png", RED, 0),
    "jpeg": (lambda: plain("RGB"), "a.jpg", RED, 3),
    "grey": (lambda: plain("L"), "a.png", GREY, 0),
    "grey jpeg": (lambda: plain("L"), "a.jpeg", GREY, 1),
    "grey with alpha": (lambda: plain("LA"), "a.png", GREY, 0),
    "transparent rgba": (rgba, "a.png", RED, 0),
    "palette": (lambda: palette(False), "a.png", RED, 0),
    "palette with transparency": (lambda: palette(True), "a.png", RED, 0),
    "cmyk jpeg": (lambda: plain("CMYK"), "a.jpg", RED, 4),
    "one bit": (lambda: Image.new("1", (WIDTH, HEIGHT), 1), "a.png", (255, 255, 255), 0),
    "bmp": (lambda: plain("RGB"), "a.bmp", RED, 0),
    "webp": (lambda: plain("RGB"), "a.webp", RED, 4),
}


@pytest.mark.parametrize("name", COLOURS)
def test_image_of_every_mode_decodes_to_its_colour(tmp_path: Path, name: str) -> None:
    make, file, colour, tolerance = COLOURS[name]
    make().save(tmp_path / file)

    pixels = decode(tmp_path / file)

    assert pixels.dtype == np.uint8
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(pixels.astype(int) - colour).max() <= tolerance


@pytest.mark.parametrize("file", ["a.png", "a.tiff"])
def test_16_bit_grey_image_is_scaled_to_8_bits(tmp_path: Path, file: str) -> None:
    Image.fromarray((LEFT_DARK_RIGHT_BRIGHT * 65535).astype(np.uint16)).save(tmp_path / file)

    pixels = decode(tmp_path / file)

    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(pixels - 255 * LEFT_DARK_RIGHT_BRIGHT[..., None]).max() <= 1


@pytest.mark.parametrize("file", ["a.png", "a.jpg"])
@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((100, 60), 60, (100, 60)),
        ((100, 60), 256, (100, 60)),
        ((100, 60), 59, (98, 59)),
        ((100, 60), 30, (50, 30)),
        ((60, 100), 7, (7, 11)),
        ((333, 500), 256, (256, 384)),
        ((1000, 10), 3, (300, 3)),
        ((64, 64), 21, (21, 21)),
        ((1, 90), 5, (1, 90)),
    ],
)
def test_shorter_side_is_reduced_exactly_and_never_enlarged(
    tmp_path: Path, file: str, size: tuple[int, int], short_side: int, expected: tuple[int, int]
) -> None:
    Image.new("RGB", size).save(tmp_path / file)

    height, width, _ = decode(tmp_path / file, short_side).shape

    assert (width, height) == expected


@pytest.mark.parametrize(("file", "tolerance"), [("a.png", 2), ("a.jpg", 6)])
def test_reduced_image_keeps_its_gradient(tmp_path: Path, file: str, tolerance: int) -> None:
    gradient = np.linspace(0, 255, 400)[None, :, None] * np.ones((300, 1, 3))
    Image.fromarray(gradient.astype(np.uint8)).save(tmp_path / file, quality=95)

    row = decode(tmp_path / file, 30)[15, :, 0]

    assert np.abs(row - (np.arange(40) + 0.5) * 255 / 40).max() <= tolerance


def test_classes_are_sorted_and_labels_follow_them(make_folder: MakeFolder) -> None:
    dataset = image_folder(make_folder({"train/b": 2, "train/a": 3, "train/C": 2, "val/C": 0, "val/a": 1, "val/b": 2}))

    assert dataset.classes == ("C", "a", "b")
    assert dataset.splits["train"].labels.tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert dataset.splits["val"].labels.tolist() == [1, 2, 2]
    assert files(dataset, "val") == ["a/000.png", "b/000.png", "b/001.png"]
    assert dataset.name == "images"


@pytest.mark.parametrize("name", ["val", "validation", "valid"])
def test_validation_folder_may_have_three_names(make_folder: MakeFolder, name: str) -> None:
    dataset = image_folder(make_folder({"train/a": 2, "train/b": 2, f"{name}/a": 1, f"{name}/b": 2}))

    assert dataset.sizes == "4 train, 3 val"
    assert dataset.note == "validated on its own split"


def test_images_of_each_folder_stay_in_their_split(make_folder: MakeFolder) -> None:
    folder = make_folder({f"{split}/{name}": 2 for split in ("train", "val", "test") for name in "ab"})
    dataset = image_folder(folder)

    for split in ("train", "val", "test"):
        decoder = dataset.splits[split].decode
        assert isinstance(decoder, Decoder)
        assert {Path(path).relative_to(folder).parts[0] for path in decoder.paths} == {split}


@pytest.mark.parametrize("with_test", [True, False])
def test_without_validation_folder_a_stratified_tenth_of_train_validates(
    make_folder: MakeFolder, with_test: bool
) -> None:
    counts = {"train/a": 40, "train/b": 20, "train/c": 2} | (
        {"test/a": 3, "test/b": 0, "test/c": 0} if with_test else {}
    )
    dataset = image_folder(make_folder(counts))

    assert np.bincount(dataset.splits["val"].labels).tolist() == [4, 2, 1]
    assert np.bincount(dataset.splits["train"].labels).tolist() == [36, 18, 1]
    assert len({*files(dataset, "train"), *files(dataset, "val")}) == 62
    assert dataset.note == "validated on a stratified 10% of train"
    assert len(dataset.splits.get("test", ())) == (3 if with_test else 0)  # type: ignore[call-overload]


def test_unlabelled_test_images_are_left_out_with_a_note(make_folder: MakeFolder) -> None:
    dataset = image_folder(make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0, "test": 2}))

    assert dataset.sizes == "4 train, 1 val"
    assert dataset.note == "validated on its own split; test/ has no class folders and is left out"


def test_held_out_part_never_changes(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/a": 30, "train/b": 30})

    assert files(image_folder(folder), "val") == files(image_folder(folder), "val")


def test_images_are_found_by_any_case_of_suffix_and_at_any_depth(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0})
    (folder / "train/a/notes.txt").write_text("no image")
    (folder / "train/README").write_text("no class")
    (folder / "train/a/deep/er").mkdir(parents=True)
    shutil.copy(folder / "train/a/000.png", folder / "train/a/deep/er/x.PNG")

    assert image_folder(folder).sizes == "5 train, 1 val"


def test_looping_links_are_no_classes_and_are_not_followed(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0})
    (folder / "train/loop").symlink_to("loop")
    (folder / "train/here").symlink_to(".")
    (folder / "train/above").symlink_to("..")
    (folder / "train/a/here").symlink_to(".")
    (folder / "train/a/above").symlink_to(folder)
    (folder / "train/c").symlink_to(folder / "val/a")
    (folder / "val/c").mkdir()
    (folder / "train/b/folder.jpg").mkdir()

    with pytest.raises(ConfigError, match=r"class 'c' in .* has 1 images"):  # a link to elsewhere is a class
        image_folder(folder)
    (folder / "train/c").unlink()
    (folder / "val/c").rmdir()
    assert image_folder(folder).classes == ("a", "b")
    assert image_folder(folder).sizes == "4 train, 1 val"


def test_broken_links_count_as_images_and_change_the_fingerprint(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0})
    before = image_folder(folder).fingerprint
    (folder / "train/a/dangling.jpg").symlink_to("elsewhere.jpg")
    (folder / "train/a/loop.jpg").symlink_to("loop.jpg")
    dangling = image_folder(folder)
    shutil.copy(folder / "train/a/000.png", folder / "train/a/elsewhere.jpg")

    assert dangling.sizes == "6 train, 1 val"
    assert len({before, dangling.fingerprint, image_folder(folder).fingerprint}) == 3


def test_class_folder_may_have_a_name_of_any_bytes(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2})
    (folder / "train/b").rename(folder / "train/caf\udce9")

    dataset = load_dataset(str(folder))

    assert dataset.classes == ("a", r"caf\xe9")
    assert "".join(dataset.classes).isprintable()
    assert dataset.sizes == "2 train, 2 val"


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"val/a": 2, "val/b": 2}, r"has no folder train/; lay the images out as .*/train/CLASS/IMAGE"),
        ({"train": 3}, r"train has no images in class folders; lay them out as .*train/CLASS/IMAGE"),
        ({"train/a": 3}, "has a single class, a; a classifier needs 2 or more"),
        ({"train/a": 3, "train/b": 1}, "class 'b' in .*train has 1 images .* it needs 2 or more"),
        ({"train/a": 0, "train/b": 3}, "class 'a' in .*train has 0 images .*.jpg"),
        ({"train/a": 2, "train/b": 2, "val/a": 1, "val/x": 1, "val/y": 1}, "val has classes that train/ lacks: x, y"),
        ({"train/a": 2, "train/b": 2, "test/z": 1}, "test has classes that train/ lacks: z"),
        ({"train/a": 2, "train/b": 2, "val/a": 1}, "val lacks classes that train/ has: b; add them, empty if need be"),
        ({"train/a": 2, "train/b": 2, "val/a": 0, "val/b": 0}, "val has no images"),
        ({"train/a": 2, "train/b": 2, "test/a": 0, "test/b": 0}, "test has no images"),
    ],
)
def test_error_on_an_unusable_folder_names_the_reason(
    make_folder: MakeFolder, counts: dict[str, int], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        image_folder(make_folder(counts))


def test_error_on_the_folder_of_a_split_suggests_its_parent(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2})

    with pytest.raises(ConfigError, match=rf"train has no folder train/; did you mean {folder}\?"):
        image_folder(folder / "train")


def rename(folder: Path) -> None:
    (folder / "train/a/000.png").rename(folder / "train/a/zzz.png")


def lengthen(folder: Path) -> None:
    with open(folder / "val/a/000.png", "ab") as file:
        file.write(b"\0")


def move_to_another_class(folder: Path) -> None:
    (folder / "train/a/002.png").rename(folder / "train/b/002.png")


def move_to_another_split(folder: Path) -> None:
    (folder / "train/a/002.png").rename(folder / "val/a/002.png")


def remove(folder: Path) -> None:
    (folder / "test/b/000.png").unlink()


def rename_class(folder: Path) -> None:
    for split in ("train", "val", "test"):
        (folder / split / "a").rename(folder / split / "aa")


@pytest.mark.parametrize(
    "change", [rename, lengthen, move_to_another_class, move_to_another_split, remove, rename_class]
)
def test_fingerprint_changes_with_the_images(make_folder: MakeFolder, change: Callable[[Path], None]) -> None:
    folder = make_folder({f"{split}/{name}": 3 for split in ("train", "val", "test") for name in "ab"})
    before = image_folder(folder).fingerprint

    change(folder)

    assert image_folder(folder).fingerprint != before


def test_fingerprint_changes_with_the_split_alone(make_folder: MakeFolder) -> None:
    """The images keep their order; only the border between train and val moves."""
    folder = make_folder({"train/a": 2, "train/b": 4, "val/a": 0, "val/b": 1})
    (folder / "val/b/000.png").rename(folder / "val/b/004.png")
    before = image_folder(folder).fingerprint

    (folder / "train/b/003.png").rename(folder / "val/b/003.png")

    assert image_folder(folder).fingerprint != before


def test_fingerprint_ignores_path_and_time_of_the_folder(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder({"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 0})
    before = image_folder(folder).fingerprint
    copy = Path(shutil.copytree(folder, tmp_path / "else/where"))
    os.utime(copy / "train/a/000.png", (0, 0))
    (tmp_path / "link").symlink_to(folder)

    assert image_folder(copy).fingerprint == before
    assert image_folder(tmp_path / "link").fingerprint == before
    assert load_dataset(str(copy)).fingerprint == before


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def overwrite_with_text(path: Path) -> None:
    path.write_text("no image")


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.filterwarnings("ignore:Truncated File Read")  # Pillow warns, then raises
@pytest.mark.parametrize("spoil", [truncate, overwrite_with_text, make_empty, cut_in_half, Path.unlink])
@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "tiff", "webp"])
def test_error_names_an_unreadable_image(tmp_path: Path, kind: str, spoil: Callable[[Path], None]) -> None:
    path = tmp_path / f"broken.{kind}"
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    spoil(path)

    with pytest.raises(ConfigError, match=f"cannot read the image '{re.escape(str(path))}' .*; remove or replace it"):
        decode(path)


def test_imagenet_is_recognised_by_its_thousand_wordnet_ids(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "image.png")
    for name in IMAGENET:
        (tmp_path / "data/train" / name).mkdir(parents=True)
        for i in range(2):
            os.link(tmp_path / "image.png", tmp_path / "data/train" / name / f"{i}.png")

    dataset = image_folder(tmp_path / "data")

    assert dataset.name == "imagenet"
    assert len(dataset.classes) == 1000
    assert dataset.sizes == "1000 train, 1000 val"


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (IMAGENET, True),
        (IMAGENET[:-1], False),
        ((*IMAGENET, "n99999999"), False),
        (("n00000001", *IMAGENET[1:]), False),
        ((*IMAGENET[:-1], "n15075142"), False),
        ((*IMAGENET[:500], "tench", *IMAGENET[501:]), False),
        (tuple(f"{i:03}" for i in range(1000)), False),
        ((), False),
    ],
)
def test_is_imagenet_recognises_only_the_classes_of_imagenet(classes: tuple[str, ...], expected: bool) -> None:
    assert is_imagenet(classes) is expected


def test_folder_with_an_unprintable_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    monkeypatch.chdir(os.fsdecode(folder))

    with pytest.raises(ConfigError, match="has characters that cannot be printed; leave them out"):
        load_dataset(".")
