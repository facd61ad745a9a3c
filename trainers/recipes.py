"""RECIPES: published ways to train a MobileNet, each a complete TrainConfig with its source. Standard library only.

The fields follow the *code* of the source, which made the published accuracy; `notes` say where its README differs, and
where this trainer differs. A recipe gives the training, the search space gives the networks and the data (the fields in
KEPT), and `with_recipe` joins them.

Learning rates follow the batch size: each recipe states the batch size of its rate (`lr_base_batch`), and another
`batch_size` scales the rate in proportion (arXiv:1706.02677, section 2.1).
"""

from dataclasses import dataclass, replace

from trainers.config import TrainConfig, names_of
from trainers.errors import unknown_choice

KEPT = names_of(TrainConfig, "network", "data", "run", "kept")
"""Names of the fields that a recipe leaves as the search space sets them."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A way to train, with the accuracy to expect."""

    doc: str
    """Description on one line, for `run_sweep.py list`."""
    config: TrainConfig
    source: str
    """Publication that the recipe follows."""
    expected: str
    """The accuracy that the source reports."""
    notes: tuple[str, ...] = ()
    """Differences between README and code of the source, and between the source and this trainer."""


DLI14 = Recipe(
    doc="d-li14's table of MobileNetV2: SGD 0.05, cosine per iteration, 150 epochs",
    config=TrainConfig(dropout=0.0, epochs=150, batch_size=256, lr=0.05, lr_base_batch=256, weight_decay=4e-5),
    source="d-li14/mobilenetv2.pytorch, README and imagenet.py",
    expected="72.192 % top-1 for 1.0@224, 60.092 % for 0.35@224; about 2 days on 4 TITAN Xp",
    notes=(
        "the README named 300 epochs until 2019-08-29 while its command said 150",
        "the released model has no dropout; weight decay falls on every parameter",
    ),
)

DLI14_BEST = Recipe(
    doc="d-li14's 72.834 % MobileNetV2: batch 1024, SGD 0.4 after 5 epochs of warmup, 250 epochs, dropout 0.2",
    config=TrainConfig(
        dropout=0.2,
        epochs=250,
        batch_size=1024,
        lr=0.4,
        lr_base_batch=1024,
        warmup_epochs=5.0,
        warmup_start_lr=0.1,
        weight_decay=4e-5,
        decay="weights",
    ),
    source="d-li14/mobilenetv2.pytorch, README",
    expected="72.834 % top-1, 91.060 % top-5 for 1.0@224",
    notes=(
        "the released code starts its warmup at 0; the README says 0.1, which is taken here",
        "the dropout and the spared biases and normalisation are in the README, not in the released code",
        "the README names no weight decay for this model; 4e-5 is that of its table",
    ),
)

V3_SMALL_MULTISTEP = Recipe(
    doc="PengBoXiangShang's MobileNetV3-Small: SGD 0.1 for 105 epochs, then four drops of ten, 155 epochs",
    config=TrainConfig(
        model="mobilenet_v3_small",
        dropout=0.0,
        epochs=155,
        batch_size=1700,
        lr=0.1,
        lr_base_batch=1700,
        lr_schedule="multistep",
        lr_milestones=(105, 125, 135, 145),
        lr_update="epoch",
        weight_decay=1e-5,
    ),
    source="PengBoXiangShang/MobileNetV3_PyTorch, README and train.py",
    expected="64.27 % top-1 for MobileNetV3-Small 1.0@224, of a network that is not the paper's",
    notes=(
        "its network has 60.3 M MACs and 3.11 M parameters, with squeeze-excite on the last convolution and normalised "
        "logits; the network here is the paper's, 56.5 M and 2.54 M",
        "its code counts to 10,000 epochs and never validates; the README's 155 are taken",
        "a dropout of 0.8 in one of its files is TensorFlow's keep probability misread; this recipe has none",
    ),
)

MINDSPORE = Recipe(
    doc="MindSpore's MobileNetV2: batch 512, momentum 0.1, cosine per epoch, smoothing over the others, 200 epochs",
    config=TrainConfig(
        dropout=0.0,
        epochs=200,
        batch_size=512,
        lr=0.1,
        lr_base_batch=512,
        lr_update="epoch",
        weight_decay=0.0,
        label_smoothing=0.1,
        smoothing_over="others",
        eval_margin=32,
    ),
    source="MindSpore vision (mindvision), mobilenet_v2: README, YAML and engine",
    expected="72.4 % top-1 for 1.0@224, 61.9 % for 0.35@224",
    notes=(
        "no weight decay: the README names none and the code passes none",
        "its log's learning rates are those of a cosine over 100 epochs, and its YAML's steps per epoch those of one "
        "GPU; the documented 200 epochs are taken",
        "it has 1001 outputs of which the last is never used, and its evaluation drops the last partial batch; neither "
        "is followed",
    ),
)

MMPRETRAIN = Recipe(
    doc="mmpretrain's MobileNetV2: SGD 0.045, x0.98 after every epoch, 300 epochs",
    config=TrainConfig(
        dropout=0.0,
        epochs=300,
        batch_size=256,
        lr=0.045,
        lr_base_batch=256,
        lr_schedule="step",
        lr_gamma=0.98,
        lr_step_epochs=1.0,
        lr_update="epoch",
        weight_decay=4e-5,
    ),
    source="open-mmlab/mmpretrain, mobilenet-v2_8xb32_in1k",
    expected="71.86 % top-1, 90.42 % top-5 for 1.0@224",
    notes=("it resizes to 256 px before the crop whatever the resolution; at 224 px that is the same as here",),
)

TF_SLIM = Recipe(
    doc="TF-slim's MobileNetV2: RMSprop, x0.98 every 2.5 epochs, average of the weights, about 420 epochs",
    config=TrainConfig(
        dropout=0.2,
        epochs=420,
        batch_size=768,
        optimizer="rmsprop_tf",
        lr=0.36,
        lr_base_batch=768,
        rmsprop_eps=1.0,
        weight_decay=4e-5,
        decay="not_depthwise",
        label_smoothing=0.1,
        lr_schedule="step",
        lr_gamma=0.98,
        lr_step_epochs=2.5,
        ema_decay=0.9999,
        bn_momentum=0.003,
        bn_eps=1e-3,
        crop_scale=0.05,
    ),
    source="tensorflow/models, slim/nets/mobilenet/README.md, train_image_classifier.py, inception_preprocessing.py",
    expected="71.8 % top-1, 91.0 % top-5 for 1.0@224; 60.3 % for 0.35@224",
    notes=(
        "0.045 per GPU compensates slim's averaging over 8 clones of 96 images: 0.36 for a batch of 768",
        "2.5 / NUM_GPUS epochs per decay are 2.5 true epochs at any number of GPUs; 700,000 steps of 768 are 420",
        "dropout 0.8 in the source is a keep probability",
        "not followed: brightness and saturation jitter of the training crops, and an evaluation that crops 87.5 % of "
        "both sides and distorts the aspect; published accuracies are of the averaged weights",
    ),
)

TORCHVISION_V1 = Recipe(
    doc="torchvision's first MobileNetV2 weights: SGD 0.045, x0.98 after every epoch, 300 epochs",
    config=replace(MMPRETRAIN.config, dropout=0.2),
    source="torchvision references/classification, MobileNet_V2_Weights.IMAGENET1K_V1",
    expected="71.878 % top-1, 90.286 % top-5 for 1.0@224",
)

TORCHVISION_V2 = Recipe(
    doc="torchvision's second MobileNetV2 weights: 600 epochs with TrivialAugment, MixUp, CutMix, erasing, averaging",
    config=TrainConfig(
        dropout=0.2,
        epochs=600,
        batch_size=1024,
        lr=0.5,
        lr_base_batch=1024,
        lr_update="epoch",
        warmup_epochs=5.0,
        warmup_start_lr=0.005,
        weight_decay=2e-5,
        decay="not_norm",
        label_smoothing=0.1,
        ema_decay=0.999966,
        train_scale=176 / 224,
        crop_share=0.9655,
        augment="trivialaugment",
        random_erase=0.1,
        mixup=0.2,
        cutmix=1.0,
        repeats=4,
    ),
    source="torchvision references/classification (pull request 5560), MobileNet_V2_Weights.IMAGENET1K_V2",
    expected="72.154 % top-1, 90.822 % top-5 for 1.0@224",
    notes=(
        "torchvision updates the average every 32 steps with a decay of 1 - 0.00109 (0.99998 scaled by batch, interval "
        "and epochs); per step that is 0.999966",
        "the four copies of an image go to different GPUs there; here they come one after another in the order",
        "train 176 / evaluate 224 and resize 232 are kept as ratios, so that they carry to other resolutions",
    ),
)

QUICK = Recipe(
    doc="minutes on a CPU and small data: AdamW 0.005, cosine, 5 epochs, no random crops",
    config=TrainConfig(epochs=5, batch_size=32, optimizer="adamw", lr=0.005, crop_scale=1.0, crop_share=1.0, hflip=0.0),
    source="this project, for the embedded digits",
    expected="94 to 98 % top-1 on the digits for the networks of mnv2_quick",
)

RECIPES: dict[str, Recipe] = {
    "dli14": DLI14,
    "dli14_best": DLI14_BEST,
    "v3_small_multistep": V3_SMALL_MULTISTEP,
    "mindspore": MINDSPORE,
    "mmpretrain": MMPRETRAIN,
    "tf_slim": TF_SLIM,
    "torchvision_v1": TORCHVISION_V1,
    "torchvision_v2": TORCHVISION_V2,
    "quick": QUICK,
}


def get_recipe(name: str) -> Recipe:
    """Return the recipe called `name`.

    Raises:
        ConfigError: no recipe has this name.
    """
    if name not in RECIPES:
        raise unknown_choice("recipe", name, RECIPES)
    return RECIPES[name]


def with_recipe(base: TrainConfig, name: str) -> TrainConfig:
    """Return `base` with the training of the recipe called `name`; the fields in KEPT stay."""
    return replace(get_recipe(name).config, **{field: getattr(base, field) for field in KEPT})
