"""Guesses and features of image files of every kind equal those of a loop over single images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.v2 import functional as transforms

from tests.trainers.weights.layouts import randomised
from trainers.config import TrainConfig
from trainers.errors import ConfigError
from trainers.models.registry import MODELS
from trainers.use.features import features, write_features
from trainers.use.predict import IMAGES_AT_ONCE, predict
from trainers.weights.network import Network

CONFIG = TrainConfig(num_classes=7, width_mult=0.25, resolution=32, precision="fp32")


def network(model: str = "mobilenet_v2") -> Network:
    torch.manual_seed(0)
    return Network(randomised(MODELS[model](CONFIG)), CONFIG, tuple("abcdefg"))


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Six image files, each of another mode."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    kinds = [("L", "png"), ("RGBA", "png"), ("P", "gif"), ("CMYK", "jpg"), ("RGB", "bmp"), ("1", "png")]
    paths = [tmp_path / f"{mode}.{suffix}" for mode, suffix in kinds]
    for (mode, _), path in zip(kinds, paths, strict=True):
        image.convert(mode).save(path)
    return paths


def logits(network: Network, path: Path) -> torch.Tensor:
    """Return the network's logits of one image, prepared by torchvision."""
    pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
    resized = transforms.resize(pixels, [int(32 / 0.875)], antialias=True)
    crop = transforms.center_crop(resized, [32, 32]).float() / 255
    with torch.no_grad():
        return network.model(transforms.normalize(crop, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])[None])[0]


def test_guesses_are_the_likeliest_classes_of_each_image_in_order(images: list[Path]) -> None:
    ours = network()

    predictions = predict(ours, images)

    assert [prediction.image for prediction in predictions] == images
    for prediction in predictions:
        chances = logits(ours, prediction.image).softmax(0)
        order = chances.argsort(descending=True)[:5].tolist()
        assert [name for name, _ in prediction.guesses] == ["abcdefg"[i] for i in order]
        assert [chance for _, chance in prediction.guesses] == pytest.approx(chances[order].tolist(), abs=1e-4)


def test_there_are_no_more_guesses_than_classes(images: list[Path]) -> None:
    guesses = predict(network(), images[:1], top=9)[0].guesses

    assert sorted(name for name, _ in guesses) == list("abcdefg")
    assert sum(chance for _, chance in guesses) == pytest.approx(1)


def test_predictions_of_several_batches_keep_the_order_of_images(images: list[Path]) -> None:
    ours = network()
    many = (images * IMAGES_AT_ONCE)[: 2 * IMAGES_AT_ONCE + 3]

    predictions = predict(ours, many)

    assert [prediction.image for prediction in predictions] == many
    alone = {image: predict(ours, [image])[0].guesses[0][0] for image in images}
    assert [prediction.guesses[0][0] for prediction in predictions] == [alone[image] for image in many]


@pytest.mark.parametrize("model", MODELS)
def test_classifier_turns_features_into_logits(images: list[Path], model: str) -> None:
    ours = network(model)

    rows = features(ours, images)

    assert (rows.shape[0], rows.dtype) == (len(images), np.float32)
    with torch.no_grad():
        expected = torch.stack([logits(ours, image) for image in images])
        torch.testing.assert_close(ours.model.classifier(torch.from_numpy(rows)), expected, rtol=1e-3, atol=1e-4)  # type: ignore[operator]


def test_features_remove_their_hook(images: list[Path]) -> None:
    ours = network()
    features(ours, images)

    assert not any(module._forward_pre_hooks for module in ours.model.modules())


def test_features_are_written_with_the_names_of_their_images(tmp_path: Path, images: list[Path]) -> None:
    rows = features(network(), images)
    write_features(tmp_path / "f.npz", rows, images)

    with np.load(tmp_path / "f.npz") as saved:
        assert saved["files"].tolist() == [str(image) for image in images]
        assert np.array_equal(saved["features"], rows)


def damaged_image(path: Path) -> Path:
    Image.fromarray(np.zeros((99, 99, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:60])
    return path


@pytest.mark.parametrize("task", [predict, features])
def test_error_names_a_damaged_or_missing_image(tmp_path: Path, images: list[Path], task: object) -> None:
    (tmp_path / "notes.png").write_text("no image")
    for path in (damaged_image(tmp_path / "cut.png"), tmp_path / "missing.png", tmp_path / "notes.png"):
        with pytest.raises(ConfigError, match=rf"cannot read the image '.*{path.name}' \("):
            task(network(), [*images, path])  # type: ignore[operator]


def test_images_are_prepared_as_those_of_a_dataset(tmp_path: Path) -> None:
    """Scaled by the range of all of them, and upright."""
    ramp = np.arange(48 * 32).reshape(48, 32)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray((ramp % 256).astype(np.uint8)).save(tmp_path / "8.png")
    Image.fromarray((ramp % 256 * 16).astype(np.uint16)).save(tmp_path / "12.png")
    Image.fromarray(np.full((32, 32), 4095, dtype=np.uint16)).save(tmp_path / "white.png")
    Image.open(tmp_path / "8.png").rotate(90, expand=True).save(tmp_path / "phone.png", exif=exif)

    images = [tmp_path / f"{name}.png" for name in ("8", "12", "phone", "white")]
    plain, deep, phone, _ = (dict(prediction.guesses) for prediction in predict(network(), images, top=7))

    assert deep == pytest.approx(plain, abs=0.01)
    assert phone == pytest.approx(plain, abs=1e-5)


def test_names_of_classes_can_be_printed(images: list[Path]) -> None:
    odd = Network(network().model, CONFIG, ("a\x1b[2J", "b\n", *"cdefg"))

    assert sorted(name for name, _ in predict(odd, images[:1], top=7)[0].guesses)[:2] == [r"a\x1b[2J", r"b\n"]


def test_prediction_without_images_is_refused() -> None:
    with pytest.raises(ConfigError, match="no images were given"):
        predict(network(), [])


def test_features_of_a_network_without_a_classifier_are_refused(images: list[Path]) -> None:
    headless = Network(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 7)), CONFIG, tuple("abcdefg"))

    with pytest.raises(ConfigError, match="has no module `classifier`"):
        features(headless, images)
