"""Parquet shards in every layout of Hugging Face are read; errors name the shard and the row."""

import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainers.datasets.dataset import Dataset
from trainers.datasets.pixels.cache import open_images
from trainers.datasets.registry import check_dataset, check_split, load_dataset
from trainers.errors import ConfigError

REAL = Path(__file__).parents[5] / "shared/data"
TRAIN, VAL, TEST = (f"{split}-00000-of-00001.parquet" for split in ("train", "validation", "test"))
TWO_EACH = [0, 0, 1, 1]
CLASS_LABEL = {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}


def encoded(i: int, file_format: str = "PNG") -> bytes:
    """Return an encoded image of 12 x 10 px with the grey level `i`."""
    file = BytesIO()
    Image.new("RGB", (12, 10), (i, i, i)).save(file, file_format)
    return file.getvalue()


def table(labels: Sequence[Any], /, **columns: Any) -> dict[str, Any]:
    """Return columns of a shard whose image `i` has the grey level `i`; `columns` adds, replaces or (None) removes."""
    images = [{"bytes": encoded(i), "path": f"{i}.png"} for i in range(len(labels))]
    return {
        name: values for name, values in {"image": images, "label": labels, **columns}.items() if values is not None
    }


def write(path: Path, columns: Mapping[str, Any], features: Mapping[str, Any] = CLASS_LABEL) -> None:
    """Write a shard in row groups of three, with Hugging Face's metadata of its columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known_features = {name: feature for name, feature in features.items() if name in columns}
    metadata = {"huggingface": json.dumps({"info": {"features": known_features}})} if known_features else None
    pq.write_table(pa.table(dict(columns)).replace_schema_metadata(metadata), path, row_group_size=3)


def write_all(folder: Path) -> Path:
    """Write shards of all three splits, two of them for `train`."""
    write(folder / "train-00000-of-00002.parquet", table([0, 1, 0, 1, 0]))
    write(folder / "train-00001-of-00002.parquet", table([1, 0]))
    write(folder / VAL, table([1, 0]))
    write(folder / TEST, table([0, 1, 1]))
    return folder


def greys(dataset: Dataset, split: str) -> list[int]:
    images = dataset.splits[split]  # type: ignore[index]
    return [int(images.decode(i, 8)[0, 0, 0]) for i in range(len(images))]


def test_shards_are_read_in_order_with_their_class_names(tmp_path: Path) -> None:
    dataset = load_dataset(str(write_all(tmp_path / "pets")))

    assert dataset.name == "pets"
    assert dataset.classes == ("cat", "dog")
    assert dataset.sizes == "7 train, 2 val, 3 test"
    assert dataset.note == "validated on its own split"
    assert dataset.splits["train"].labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert greys(dataset, "train") == [0, 1, 2, 3, 4, 0, 1]
    assert greys(dataset, "test") == [0, 1, 2]
    assert dataset.splits["val"].decode(1, 5).shape == (5, 6, 3)


@pytest.mark.parametrize("data", ["{}", "data/{}"])
@pytest.mark.parametrize("name", ["train-00000-of-00001", "train", "train_0", "train.v2"])
@pytest.mark.parametrize("val", ["validation-00000-of-00001", "valid", "val-0", "Dev-00000-of-00001"])
def test_shards_of_a_split_may_have_every_usual_name(tmp_path: Path, data: str, name: str, val: str) -> None:
    write(tmp_path / data.format(f"{name}.parquet"), table(TWO_EACH))
    write(tmp_path / data.format(f"{val}.parquet"), table([1]))

    assert load_dataset(str(tmp_path)).sizes == "4 train, 1 val"


def test_every_split_may_have_its_own_folder(tmp_path: Path) -> None:
    for folder, labels in (("train", TWO_EACH), ("validation", [0]), ("test", [1, 1])):
        write(tmp_path / folder / "0000.parquet", table(labels))

    assert load_dataset(str(tmp_path)).sizes == "4 train, 1 val, 2 test"


def test_without_validation_shards_a_stratified_tenth_of_train_validates(tmp_path: Path) -> None:
    labels = [0] * 40 + [1] * 20
    write(tmp_path / TRAIN, table(labels))

    dataset = load_dataset(str(tmp_path))

    assert np.bincount(dataset.splits["val"].labels).tolist() == [4, 2]
    assert np.bincount(dataset.splits["train"].labels).tolist() == [36, 18]
    assert sorted(greys(dataset, "train") + greys(dataset, "val")) == list(range(60))
    for split in ("train", "val"):
        assert [labels[i] for i in greys(dataset, split)] == dataset.splits[split].labels.tolist()  # type: ignore[index]
    assert dataset.note == "validated on a stratified 10% of train"


@pytest.mark.parametrize("unlabelled", [[-1, -1], pa.array([None, None], pa.int64())])
def test_unlabelled_test_split_is_left_out_with_a_note(tmp_path: Path, unlabelled: Any) -> None:
    write(tmp_path / TRAIN, table(TWO_EACH))
    write(tmp_path / VAL, table([1]))
    write(tmp_path / TEST, table([0, 0], label=unlabelled))

    dataset = load_dataset(str(tmp_path))

    assert dataset.sizes == "4 train, 1 val"
    assert dataset.note == "validated on its own split; test has no labels and is left out"


def test_splits_of_other_names_are_left_out_with_a_note(tmp_path: Path) -> None:
    write(write_all(tmp_path) / "extra-00000-of-00001.parquet", table([0]))

    assert load_dataset(str(tmp_path)).note == "validated on its own split; extra is left out"


FINE, COARSE = ({"_type": "ClassLabel", "names": names} for names in (["oak", "elm", "cat"], ["tree", "animal"]))
SIX = [0, 1, 2, 0, 1, 2]
LABELS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...], str | None]] = {
    "named": (table(TWO_EACH), CLASS_LABEL, ("cat", "dog"), None),
    "another name": (table([], image=table(TWO_EACH)["image"], label=None, kind=TWO_EACH),
                     {"kind": CLASS_LABEL["label"]}, ("cat", "dog"), None),
    "numbers": (table(TWO_EACH), {}, ("0", "1"), None),
    "plural": (table(TWO_EACH, label=None, labels=TWO_EACH), {}, ("0", "1"), None),
    "small numbers": (table(TWO_EACH, label=pa.array(TWO_EACH, pa.uint8())), {}, ("0", "1"), None),
    "texts": (table(["b", "a", "b", "a"]), {}, ("a", "b"), None),
    "dictionary": (table(TWO_EACH, label=pa.array(["b", "a", "b", "a"]).dictionary_encode()), {}, ("a", "b"), None),
    "from 1": (table([1, 2, 1, 2]), {}, ("1", "2"), "the labels are 1, 2"),
    "gaps": (table([30, 7, 30, 7, 100, 100]), {}, ("7", "30", "100"), "the labels are 7, 30, 100"),
    "unused names": (table([2, 0, 2, 0]), {"label": {"_type": "ClassLabel", "names": ["a", "b\n", "c\x1b", "d"]}},
                     ("a", r"c\x1b"), "2 of 4 class names have no images and are left out"),
    "texts of numbers": (table(["10", "9", "10", "9"]), {}, ("9", "10"), None),
    "views": (table(TWO_EACH, label=pa.array(["b", "a", "b", "a"], pa.string_view())), {}, ("a", "b"), None),
    "escapes": (table(["b\n", "a", "b\n", "a"]), {}, ("a", r"b\n"), None),
    "truths": (table(TWO_EACH, label=pa.array([False, True, False, True])), {}, ("0", "1"), None),
    "two granularities": (table(SIX, label=None, coarse=[0, 0, 1] * 2, fine=SIX), {"coarse": COARSE, "fine": FINE},
                          ("oak", "elm", "cat"), "labels are fine, not coarse"),
    "label among others": (table(TWO_EACH, fine=TWO_EACH), {"fine": FINE} | CLASS_LABEL, ("cat", "dog"),
                           "labels are label, not fine"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LABELS)
def test_labels_may_have_every_usual_type(tmp_path: Path, kind: str) -> None:
    columns, features, classes, note = LABELS[kind]
    write(tmp_path / TRAIN, columns, features)
    write(tmp_path / VAL, columns, features)

    dataset = load_dataset(str(tmp_path))

    assert dataset.classes == classes
    assert np.bincount(dataset.splits["train"].labels).tolist() == [2] * len(classes)
    assert dataset.note == "; ".join(["validated on its own split", *([note] if note else [])])


@pytest.mark.parametrize(
    "columns",
    [
        table(TWO_EACH, image=[encoded(i) for i in range(4)]),
        table(TWO_EACH, image=pa.array([encoded(i) for i in range(4)], pa.large_binary())),
        table(TWO_EACH, image=pa.array([encoded(i) for i in range(4)], pa.binary_view())),
        table(TWO_EACH, image=None, img=[{"bytes": encoded(i)} for i in range(4)]),
        table(TWO_EACH, mask=[b"mask"] * 4),
        table(TWO_EACH, image=[{"path": None, "bytes": encoded(i, "BMP")} for i in range(4)]),
    ],
    ids=["binary", "large binary", "view", "img", "image beside a mask", "path first"],
)
def test_images_may_have_every_usual_type(tmp_path: Path, columns: dict[str, Any]) -> None:
    write(tmp_path / TRAIN, columns)
    write(tmp_path / VAL, columns)

    assert greys(load_dataset(str(tmp_path)), "train") == [0, 1, 2, 3]


def test_a_split_is_read_alone_for_an_evaluation(tmp_path: Path) -> None:
    write(tmp_path / VAL, table([2, 0]), {"label": {"_type": "ClassLabel", "names": ["a", "b", "c"]}})
    write(tmp_path / "train-00001-of-00002.parquet", table(TWO_EACH))

    dataset = check_split(str(tmp_path), "val")

    assert (dataset.classes, dataset.sizes) == (("a", "c"), "2 val")
    assert dataset.splits["val"].labels.tolist() == [1, 0]
    with pytest.raises(ConfigError, match=r"the shard .*train-00000-of-00002.parquet is missing; download it"):
        load_dataset(str(tmp_path))


@pytest.mark.parametrize(
    ("present", "missing"), [((0, 1, 3), "00002"), ((1, 2, 3), "00000"), ((0,), "00001"), ((2, 3, 4), "00001")]
)
def test_a_missing_shard_is_named(tmp_path: Path, present: tuple[int, ...], missing: str) -> None:
    for number in present:
        write(tmp_path / f"train-0000{number}-of-00004.parquet", table(TWO_EACH))

    with pytest.raises(ConfigError, match=f"the shard .*/train-{missing}-of-00004.parquet is missing"):
        load_dataset(str(tmp_path))


def test_shards_one_folder_deeper_are_pointed_out(tmp_path: Path) -> None:
    write_all(tmp_path / "plain_text")

    with pytest.raises(ConfigError, match=r"has no folder train/; did you mean .*/plain_text\?"):
        load_dataset(str(tmp_path))


def test_hidden_files_are_no_shards(tmp_path: Path) -> None:
    (write_all(tmp_path) / "._train-00000-of-00002.parquet").write_bytes(b"resource fork")

    assert load_dataset(str(tmp_path)).note == "validated on its own split"


def test_more_rows_than_bytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    rows = 3_000_000
    columns = {
        "image": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([b"x"])).cast(pa.binary()),
        "label": pa.array(np.zeros(rows, np.int8)),
    }
    pq.write_table(pa.table(columns), tmp_path / TRAIN)

    with pytest.raises(ConfigError, match=f"{TRAIN} declares 3000000 rows, more than images fit into its 0 MB; copy"):
        load_dataset(str(tmp_path))


def test_a_pipe_or_pointer_is_no_shard(tmp_path: Path) -> None:
    write(tmp_path / TRAIN, table(TWO_EACH))
    os.mkfifo(tmp_path / VAL)
    with pytest.raises(ConfigError, match=f"cannot read .*{VAL} .not a regular file.; remove or replace it"):
        load_dataset(str(tmp_path))
    (tmp_path / VAL).unlink()
    (tmp_path / VAL).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12345\n")
    with pytest.raises(ConfigError, match=f"{VAL} is a Git LFS pointer; fetch it with git lfs pull"):
        load_dataset(str(tmp_path))


def test_deep_images_are_scaled_by_the_range_of_the_shards(tmp_path: Path) -> None:
    images: list[bytes] = []
    for white in (4095, 2000, 1000, 4000):
        file = BytesIO()
        Image.fromarray(np.full((9, 9), white, dtype=np.uint16)).save(file, "PNG")
        images.append(file.getvalue())
    write(tmp_path / TRAIN, table(TWO_EACH, image=images))
    write(tmp_path / VAL, table([0], image=images[1:2]))

    dataset = load_dataset(str(tmp_path))

    assert greys(dataset, "train") == [255, 125, 62, 249]
    assert greys(pickle.loads(pickle.dumps(dataset)), "val") == [125]
    assert dataset.note == "validated on its own split; 16-bit images: 0 is black, 4095 is white"


def cut_short(folder: Path) -> None:
    content = (folder / TEST).read_bytes()
    (folder / TEST).write_bytes(content[: len(content) // 2])


def rewrite(file: str, columns: dict[str, Any], features: Mapping[str, Any] = CLASS_LABEL) -> Callable[[Path], None]:
    return lambda folder: write(folder / file, columns, features)


TRAIN_0 = "train-00000-of-00002.parquet"
OTHER_NAMES = {"label": {"_type": "ClassLabel", "names": ["dog", "cat"]}}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: [file.unlink() for file in folder.glob("train*")], "has no shards train-.*only val.*, test"),
        (cut_short, f"cannot read .*{TEST} .*; copy or download it again"),
        (lambda folder: (folder / VAL).write_text("no Parquet file"), f"cannot read .*{VAL} .*"),
        (rewrite(TRAIN_0, table(TWO_EACH, label=None)), f"{TRAIN_0} has no label column among image; it needs `label`"),
        (rewrite(TRAIN_0, table(TWO_EACH, label=[0.5] * 4), {}), "has no label column among image, label"),
        (rewrite(TRAIN_0, table(TWO_EACH, image=None)), "has no image column among label; it needs `image`"),
        (rewrite(TRAIN_0, table(TWO_EACH, image=None, a=[b""] * 4, b=[b""] * 4)), r"several image columns \(a, b\)"),
        (rewrite(TEST, table(TWO_EACH, label=None)), f"{TEST} has no column 'label' of the type .* in {TRAIN_0}"),
        (rewrite(TEST, table(TWO_EACH, image=["x"] * 4)), f"{TEST} has no column 'image' of the type"),
        (rewrite(TEST, table(TWO_EACH), OTHER_NAMES), f"{TEST} names other classes than {TRAIN_0}"),
        (rewrite(TEST, table([0, 1, 2])), f"{TEST} row 2 has the label 2; it must be one of 0, 1, as in train"),
        (rewrite("train-00001-of-00002.parquet", table([0, -1])), "train-00001.* row 1 has the label -1"),
        (rewrite(VAL, {name: pa.array(rows)[:0] for name, rows in table([0]).items()}), f"{VAL} has no rows"),
    ],
)  # fmt: skip
def test_error_on_unusable_shards_names_the_reason(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(write_all(tmp_path / "pets"))

    with pytest.raises(ConfigError, match=message):
        load_dataset(str(tmp_path / "pets"))


@pytest.mark.parametrize(
    ("train", "val", "features", "message"),
    [
        ([0, 0, 0], [0], CLASS_LABEL, "has a single class, cat; a classifier needs 2 or more"),
        ([0, 0, 1], [0], CLASS_LABEL, "class 'dog' in .* has 1 image; it needs 2 or more"),
        ([0, 0, 0], [0], {}, "has a single class, 0; a classifier needs 2 or more"),
        (["a", "a", "b", "b"], ["c"], {}, f"{VAL} row 0 has the label 'c'; it must be one of a, b, ..."),
        (["a", "a", "b", ""], ["b"], {}, f"{TRAIN} row 3 has the label ''; it must be one of a, b"),
        ([0, 0, 10**12, 1], [0], {}, "class '1' in .* has 1 image; it needs 2 or more"),
    ],
)
def test_error_on_unusable_labels_names_the_reason(
    tmp_path: Path, train: list[Any], val: list[Any], features: dict[str, Any], message: str
) -> None:
    write(tmp_path / TRAIN, table(train), features)
    write(tmp_path / VAL, table(val), features)

    with pytest.raises(ConfigError, match=message):
        load_dataset(str(tmp_path))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"no image", "cannot read the image '.*train-00001-of-00002.parquet row 1' .*; remove or replace it"),
        (encoded(9)[:45], "cannot read the image '.*train-00001-of-00002.parquet row 1' .*; remove or replace it"),
        (
            None,
            "cannot read the image '.*train-00001-of-00002.parquet row 1' .the row holds no image bytes: embed them",
        ),
    ],
)
def test_error_on_an_undecodable_image_names_its_shard_and_row(
    tmp_path: Path, image: bytes | None, message: str
) -> None:
    images = [{"bytes": encoded(0), "path": "a"}, {"bytes": image, "path": "b"}]
    write(write_all(tmp_path) / "train-00001-of-00002.parquet", table([1, 0], image=images))

    with pytest.raises(ConfigError, match=message):
        open_images(load_dataset(str(tmp_path)), "train", 8)


def test_damaged_rows_are_left_out_and_named(tmp_path: Path) -> None:
    images = [{"bytes": image, "path": "x"} for image in (encoded(10), None, encoded(9)[:45], encoded(12), b"")]
    write(write_all(tmp_path) / "train-00001-of-00002.parquet", table([1, 0, 1, 0, 1], image=images))

    dataset = check_dataset(str(tmp_path))

    shard = tmp_path / "train-00001-of-00002.parquet"
    assert [image.image for image in dataset.splits["train"].damaged] == [f"{shard} row {i}" for i in (1, 2, 4)]
    assert [bool("no image bytes" in image.reason) for image in dataset.splits["train"].damaged] == [True, False, True]
    assert greys(dataset, "train") == [0, 1, 2, 3, 4, 10, 12]
    assert dataset.splits["train"].labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert greys(dataset, "val") == [0, 1]


def test_failed_extraction_leaves_no_folder_and_the_next_one_succeeds(tmp_path: Path, own_cache: Path) -> None:
    folder = write_all(tmp_path / "pets")
    dataset = load_dataset(str(folder))
    shutil.move(folder / "train-00001-of-00002.parquet", tmp_path / "away.parquet")
    with pytest.raises(FileNotFoundError):
        dataset.splits["train"].decode(0, 8)
    assert [path.name for path in own_cache.iterdir() if path.is_dir()] == []

    shutil.move(tmp_path / "away.parquet", folder / "train-00001-of-00002.parquet")

    assert greys(dataset, "train") == [0, 1, 2, 3, 4, 0, 1]


def test_partial_folder_of_a_killed_process_is_written_anew(tmp_path: Path, own_cache: Path) -> None:
    dataset = load_dataset(str(write_all(tmp_path / "pets")))
    unfinished = own_cache / f"{dataset.fingerprint}-train-encoded.partial"
    unfinished.mkdir(parents=True)
    (unfinished / "images.bin").write_bytes(encoded(7)[:20])

    assert greys(dataset, "train") == [0, 1, 2, 3, 4, 0, 1]
    assert not unfinished.exists()


def test_error_on_a_full_disk_names_the_variable_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset(str(write_all(tmp_path)))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 90, 10))  # type: ignore[attr-defined]

    with pytest.raises(ConfigError, match=r"take 0.0 GB, but .* has 0.0 GB left; set MOBILENET_SWEEP_CACHE"):
        dataset.splits["train"].decode(0, 8)


def test_decoder_is_pickled_for_a_worker_without_images(tmp_path: Path) -> None:
    write(tmp_path / TRAIN, table([0, 1] * 100))
    decode = load_dataset(str(tmp_path)).splits["train"].decode
    decode(0, 8)

    message = pickle.dumps(decode)

    assert len(message) < 3000
    assert np.array_equal(pickle.loads(message)(7, 8), decode(7, 8))


def test_images_of_equal_shards_are_extracted_once(tmp_path: Path, own_cache: Path) -> None:
    folder = write_all(tmp_path / "pets")
    first, second = (load_dataset(str(path)) for path in (folder, shutil.copytree(folder, tmp_path / "copy")))
    assert greys(first, "train") == [0, 1, 2, 3, 4, 0, 1]

    shutil.rmtree(tmp_path / "copy")

    assert greys(second, "train") == [0, 1, 2, 3, 4, 0, 1]
    assert [path.name for path in own_cache.iterdir() if path.is_dir()] == [f"{first.fingerprint}-train-encoded"]


def relabel(folder: Path) -> None:
    write(folder / VAL, table([0, 0]))


def rename_shard(folder: Path) -> None:
    (folder / VAL).rename(folder / "validation-1.parquet")


def replace_image(folder: Path) -> None:
    write(folder / VAL, table([1, 0], image=[{"bytes": encoded(i, "BMP"), "path": f"{i}.png"} for i in range(2)]))


def rename_class(folder: Path) -> None:
    for file in folder.glob("*.parquet"):
        content = pq.read_table(file)
        features = {"label": {"_type": "ClassLabel", "names": ["cat", "puppy"]}}
        write(file, dict(zip(content.column_names, content.columns, strict=True)), features)


def swap_splits(folder: Path) -> None:
    (folder / VAL).rename(folder / "x")
    (folder / TEST).rename(folder / VAL)
    (folder / "x").rename(folder / TEST)


@pytest.mark.parametrize("change", [relabel, rename_shard, replace_image, rename_class, swap_splits])
def test_fingerprint_changes_with_the_data(tmp_path: Path, change: Callable[[Path], None]) -> None:
    write_all(tmp_path / "before")
    change(write_all(tmp_path / "after"))

    assert load_dataset(str(tmp_path / "after")).fingerprint != load_dataset(str(tmp_path / "before")).fingerprint


def test_fingerprint_ignores_where_the_shards_lie(tmp_path: Path) -> None:
    here, there = write_all(tmp_path / "here"), write_all(tmp_path / "there/data").parent

    assert load_dataset(str(here)).fingerprint == load_dataset(str(there)).fingerprint


@pytest.mark.parametrize(
    ("name", "sizes", "classes"),
    [("clothing", "3068 train, 341 val, 372 test", 10), ("cifar10", "45000 train, 5000 val, 10000 test", 10)],
)
def test_real_shards_have_the_expected_sizes(name: str, sizes: str, classes: int) -> None:
    folder = REAL / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}: real images are not part of the repository")

    dataset = load_dataset(str(folder))

    assert (dataset.sizes, len(dataset.classes)) == (sizes, classes)
    assert dataset.splits["test"].decode(0, 16).shape[2] == 3
