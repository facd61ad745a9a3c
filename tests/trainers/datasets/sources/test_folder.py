"""Image folders of every usual layout are read; errors say what to do."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

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


DEPTHS: dict[str, tuple[float, float, type[np.generic], str, str | None]] = {
    "12 of 16 bits": (0, 4095, np.uint16, "png", "16-bit images: 0 is black, 4095 is white"),
    "10 of 16 bits": (0, 900, np.uint16, "tif", "16-bit images: 0 is black, 1023 is white"),
    "16 bits": (0, 65000, np.uint16, "png", "16-bit images: 0 is black, 65535 is white"),
    "8 of 32 bits": (0, 255, np.int32, "tif", "32-bit images: 0 is black, 255 is white"),
    "20 of 32 bits": (0, 1e6, np.int32, "tif", "32-bit images: 0 is black, 1e+06 is white"),
    "signed": (-1000, 3000, np.int32, "tif", "32-bit images: -1000 is black, 3000 is white"),
    "shares": (0, 1, np.float32, "tif", "float images: 0 is black, 1 is white"),
    "overshoot": (-0.002, 1.02, np.float32, "tif", "float images: 0 is black, 1 is white"),
    "8 bits as floats": (0, 255, np.float32, "tif", "float images: 0 is black, 255 is white"),
    "8 bits": (0, 255, np.uint8, "tif", None),
}
"""Smallest and largest value, type, extension, and the note."""


@pytest.mark.parametrize("name", DEPTHS)
def test_deep_images_are_scaled_by_the_range_of_the_dataset(tmp_path: Path, name: str) -> None:
    """The last image is ten times darker than the others, and stays so."""
    low, high, dtype, extension, note = DEPTHS[name]
    for place, factor in (("train/a", 1), ("train/b", 1), ("val/a", 1), ("val/b", 0.1)):
        (tmp_path / "d" / place).mkdir(parents=True)
        values = (low + (high - low) * factor * LEFT_DARK_RIGHT_BRIGHT).astype(dtype)
        for i in range(2):
            Image.fromarray(values).save(tmp_path / "d" / place / f"{i}.{extension}")
    (tmp_path / "d/train/a/broken.tif").write_bytes(b"II*")

    dataset = image_folder(tmp_path / "d")

    bright, dark = (dataset.splits["val"].decode(i, 256) for i in (1, 2))
    assert bright[..., 0].min() <= 3
    assert 220 <= bright.max() <= 255
    assert np.abs(bright - bright.max() * LEFT_DARK_RIGHT_BRIGHT[..., None]).max() < 9
    assert 20 <= dark.max() <= 28
    assert dataset.note == "; ".join(filter(None, ["validated on its own split", note]))
    assert np.array_equal(image_folder(tmp_path / "d", only="val").splits["val"].decode(2, 256), dark)


def test_the_range_of_deep_images_is_part_of_the_fingerprint(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0})
    fingerprints: list[str] = []
    for white in (65535, 4095):
        deep = (LEFT_DARK_RIGHT_BRIGHT * white).astype(np.uint16)
        Image.fromarray(deep).save(folder / "train/a/deep.tif")
        fingerprints.append(image_folder(folder).fingerprint)

    assert len(set(fingerprints)) == 2


@pytest.mark.parametrize("extension", ["jpg", "png", "tif", "webp", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path: Path, orientation: int, extension: str) -> None:
    pixels = np.zeros((40, 64, 3), dtype=np.uint8)
    pixels[:20, :32], pixels[20:, :32], pixels[20:, 32:] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    stored = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
              5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
              8: Image.Transpose.ROTATE_270}  # fmt: skip
    image = Image.fromarray(pixels)
    image = image.transpose(stored[orientation]) if orientation in stored else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / f"a.{extension}", exif=exif, quality=95)

    found = decode(tmp_path / f"a.{extension}", 20)

    assert found.shape == (20, 32, 3)
    for y, x in ((5, 8), (15, 8), (15, 24)):
        assert np.abs(found[y, x].astype(int) - pixels[2 * y, 2 * x]).max() < 30


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"no data", b"MM\0*\0\0\0\x08\xff\xff\x01", b"II*\0\xff\xff\xff\xff"])
def test_damaged_exif_data_do_no_harm(tmp_path: Path, exif: bytes) -> None:
    plain("RGB").save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif)

    assert decode(tmp_path / "a.jpg").shape == (HEIGHT, WIDTH, 3)


def test_a_png_with_megabytes_of_text_is_read(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("XML:com.adobe.xmp", "x" * (3 << 20), zip=True)
    text.add_itxt("more", "x" * (3 << 20), zip=True)
    plain("RGB").save(tmp_path / "a.png", pnginfo=text)

    assert (decode(tmp_path / "a.png") == RED).all()


def test_an_image_beyond_the_limits_is_called_too_large(tmp_path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(tmp_path / "scan.png")
    text = PngImagePlugin.PngInfo()
    text.add_text("text", "x" * (70 << 20), zip=True)
    plain("RGB").save(tmp_path / "text.png", pnginfo=text)

    with pytest.raises(ConfigError, match=r"scan.png' \(too large: Image size .200000000 pixels.*\); scale it down$"):
        decode(tmp_path / "scan.png")
    with pytest.raises(ConfigError, match=r"text.png' \(too large: its text .*\); remove its text$"):
        decode(tmp_path / "text.png")


def test_a_pointer_of_git_lfs_says_how_to_fetch_the_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12345\n")

    with pytest.raises(ConfigError, match=r"a Git LFS pointer: run git lfs pull\); fetch it"):
        decode(tmp_path / "a.jpg")


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


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("train", "val"),
        ("train", "validation"),
        ("train", "valid"),
        ("Train", "Val"),
        ("TRAINING", "Dev"),
        ("train", "eval"),
    ],
)
@pytest.mark.parametrize("test", ["test", "Testing"])
def test_split_folders_go_by_every_usual_name(make_folder: MakeFolder, train: str, val: str, test: str) -> None:
    counts = {f"{split}/{name}": count for split, count in ((train, 2), (val, 1), (test, 3)) for name in "ab"}

    dataset = image_folder(make_folder(counts))

    assert dataset.sizes == "4 train, 2 val, 6 test"
    assert dataset.note == "validated on its own split"


def test_folders_of_no_split_are_named(make_folder: MakeFolder) -> None:
    dataset = image_folder(make_folder({"train/a": 2, "train/b": 2, "extra/a": 2, ".git/a": 1, "raw\x1b[0m": 0}))

    assert dataset.note == r"validated on a stratified 10% of train; extra/, raw\x1b[0m/ are left out"


def test_images_beside_the_class_folders_are_counted(make_folder: MakeFolder) -> None:
    dataset = image_folder(make_folder({"train": 3, "train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0}))

    assert dataset.sizes == "4 train, 1 val"
    assert dataset.note == "validated on its own split; 3 images of train/ outside class folders left out"


def test_numbered_classes_follow_their_values_and_have_another_fingerprint(make_folder: MakeFolder) -> None:
    folder = make_folder({f"train/{name}": 2 for name in ("0", "1", "10", "2", "9")} | {"val/10": 1, "val/2": 1})
    for name in "019":
        (folder / "val" / name).mkdir()
    dataset = image_folder(folder)
    by_letters = [
        f"{path.relative_to(folder)}\0{path.stat().st_size}"
        for split in ("train", "val")
        for path in sorted((folder / split).glob("*/*.png"))
    ]

    assert dataset.classes == ("0", "1", "2", "9", "10")
    assert files(dataset, "val") == ["2/000.png", "10/000.png"]
    assert dataset.fingerprint != hashlib.sha256("\n".join(by_letters).encode()).hexdigest()[:16]


def test_the_fingerprint_of_plain_folders_stays(make_folder: MakeFolder) -> None:
    """Points of earlier sweeps are found by it."""
    folder = make_folder({f"{split}/{name}": 2 for split in ("train", "val", "test") for name in ("0", "1", "b")})
    entries = [
        f"{path.relative_to(folder)}\0{path.stat().st_size}"
        for split in ("train", "val", "test")
        for path in sorted((folder / split).glob("*/*.png"))
    ]

    assert image_folder(folder).fingerprint == hashlib.sha256("\n".join(entries).encode()).hexdigest()[:16]


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


def test_hidden_entries_are_no_images_at_any_depth(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0})
    before = image_folder(folder)
    image = folder / "train/a/000.png"
    for place in ("a/.ipynb_checkpoints", "a/@eaDir/000.png", "a/deep/.thumbs", "a/__MACOSX", "__MACOSX/a", ".trash"):
        (folder / "train" / place).mkdir(parents=True)
        shutil.copy(image, folder / "train" / place / "copy.png")
    (folder / "val/b/._000.png").write_bytes(b"resource fork")
    (folder / "val/a/.hidden.png").write_bytes(b"")

    after = image_folder(folder)

    assert (after.classes, after.sizes, after.fingerprint) == (before.classes, before.sizes, before.fingerprint)
    assert after.note.endswith("; 2 files that are no images (hidden) left out")


def test_a_hidden_folder_above_the_dataset_hides_nothing(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2})

    assert image_folder(folder.rename(tmp_path / ".images")).sizes == "2 train, 2 val"


def test_linked_folders_are_read_once_and_a_link_back_ends(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0, "../more/deep": 3, "../other": 1})
    more, other = tmp_path / "more", tmp_path / "other"
    (folder / "train/a/part2").symlink_to(more)
    (folder / "train/a/part2 again").symlink_to(more)
    (more / "other").symlink_to(other)
    (other / "back").symlink_to(more)
    (more / "deep/whole").symlink_to(folder)

    dataset = image_folder(folder)

    assert dataset.sizes == "8 train, 1 val"
    assert dataset.splits["train"].labels.tolist() == [0] * 6 + [1] * 2


@pytest.mark.parametrize(
    "file", ["a.jfif", "a.gif", "a.avif", "a.JPE", "a.tga", "a.jp2", "a.ico", "a.pcx", "a.dds", "a.apng", "a.dib"]
)
def test_what_pillow_reads_is_an_image(make_folder: MakeFolder, file: str) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0})
    plain("RGB").resize((32, 32)).save(folder / "val/b" / file)

    images = image_folder(folder).splits["val"]

    assert images.labels.tolist() == [0, 1]
    assert images.decode(1, 8).shape == (8, 8, 3)


def test_files_that_are_no_images_are_counted_and_named(make_folder: MakeFolder) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0})
    for i, name in enumerate(("x.txt", "y.TXT", "notes", "x.pdf", "x.eps", "x.mpg", "x.\x1b[2J")):
        (folder / "train" / "ab"[i % 2] / name).write_bytes(b"x")

    note = image_folder(folder).note

    assert note.startswith("validated on its own split; 7 files that are no images (.txt, ")
    assert note.endswith(", ...) left out")
    assert note.isprintable()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_device_is_no_image(make_folder: MakeFolder, make: Callable[[Path], None]) -> None:
    folder = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 0})
    make(folder / "train/a/pipe.jpg")
    (folder / "train/a/link.png").symlink_to("000.png")

    dataset = image_folder(folder)

    assert dataset.sizes == "5 train, 1 val"
    assert dataset.note.endswith("; 1 file that is no image (not regular) left out")
    with pytest.raises(ConfigError, match=r"pipe.jpg' \(not a regular file\)"):
        decode(folder / "train/a/pipe.jpg")


def test_an_image_that_needs_another_program_is_not_read(tmp_path: Path) -> None:
    plain("RGB").save(tmp_path / "a.eps")

    with pytest.raises(ConfigError, match="no image that Pillow knows"):
        decode((tmp_path / "a.eps").rename(tmp_path / "a.jpg"))


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

    with pytest.raises(ConfigError, match=r"class 'c' in .* has 1 image "):  # a link to elsewhere is a class
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
        ({"cat": 2, "dog": 2}, r"has no folder train/; if cat, dog are its classes, move them into .*/images/train/"),
        ({"pets/Training/a": 2, "x": 0}, r"has no folder train/; did you mean .*/images/pets\?"),
        ({"train": 3}, r"train holds 3 images outside class folders; sort them into .*train/CLASS/"),
        (
            {"train/a": 2, "train/b": 2, "val": 1},
            r"val holds 1 image outside class folders; sort .*val/CLASS/ ",
        ),
        ({"train/a": 2, "train/b": 2, "val/a": 2, "val/b": 2, "dev/a": 2}, "has both dev and val for the val split"),
        ({"train/a": 2, "train/b": 2, "Train/a": 2}, "has both Train and train for the train split; rename one"),
        (
            {"train/Cat": 2, "train/b": 2, "val/cat": 1, "val/b": 1},
            "val has the class cat where train/ has Cat;",
        ),
        (
            {"train/caf\xe9": 2, "train/b": 2, "val/cafe\u0301": 1, "val/b": 1},
            r"class cafe\u0301 \(Unicode NFD\) where train/ has caf\xe9 \(Unicode NFC\); rename",
        ),
        ({"train/a": 3}, "has a single class, a; a classifier needs 2 or more"),
        ({"train/a": 3, "train/b": 1}, "class 'b' in .*train has 1 image; it needs 2 or more"),
        ({"train/a": 0, "train/b": 3}, "class 'a' in .*train has 0 images; it needs 2"),
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
