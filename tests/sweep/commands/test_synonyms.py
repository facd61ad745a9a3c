"""A typing mistake, or a flag of a neighbouring tool, is answered with the right flag."""

import re
import shlex

import pytest

from sweep.commands.flags import flags_of, with_short_names
from sweep.commands.parse_sweep import parse_sweep
from sweep.commands.sweep import Arguments
from sweep.commands.synonyms import SYNONYMS
from trainers.errors import ConfigError

SPACE = ["--space", "mnv2_quick"]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("--n-trials 3", "--num-samples"),
        ("--num-trials=3", "--num-samples"),
        ("--pretrained", "--init published"),
        ("--img-size 96", "--axis resolution=..."),
        ("--output-dir out", "--runs"),
        ("--learning-rate 0.1", "--lr"),
        ("--lerning-rate=0.1", "--lr"),
        ("--num-epochs 5", "--epochs"),
        ("--epoch 5", "--epochs"),
        ("--epochss=5", "--epochs"),
        ("--batchsize 32", "--batch-size"),
        ("--bs 32", "--batch-size"),
        ("--batch_sizes 3", "--batch-size"),
        ("--wd 0.1", "--weight-decay"),
        ("--weight-deacy 0.1", "--weight-decay"),
        ("--opt sgd", "--optimizer"),
        ("--optimiser sgd", "--optimizer"),
        ("--scheduller fifo", "--scheduler"),
        ("--pruner asha", "--scheduler"),
        ("--smapler optuna", "--sampler"),
        ("--num-sample 3", "--num-samples"),
        ("--dataset x", "--data"),
        ("--data-dir x", "--data"),
        ("--datta x", "--data"),
        ("--max-flops 3M", "--max-macs"),
        ("--max-mac 3M", "--max-macs"),
        ("--maxmacs 3M", "--max-macs"),
        ("--max-parameters 3M", "--max-params"),
        ("--timeout 3", "--time-budget"),
        ("--time-buget 1h", "--time-budget"),
        ("--gpus 2", "--gpus-per-trial"),
        ("--num-workers 3", "--workers-per-trial"),
        ("--workers 2", "--workers-per-trial"),
        ("--mlflow-uri x", "--tracking-uri"),
        ("--traking-uri x", "--tracking-uri"),
        ("--label-smooting 0.1", "--label-smoothing"),
        ("--smoothing 0.1", "--label-smoothing"),
        ("--warmup 3", "--warmup-epochs"),
        ("--ema", "--ema-decay"),
        ("--amp", "--precision"),
        ("--sched cosine", "--lr-schedule"),
        ("--lr-scheduler cosine", "--lr-schedule"),
        ("--width 0.5", "--axis width_mult=..."),
        ("--alpha 0.5", "--axis width_mult=..."),
        ("--train.epoch 5", "--train.epochs"),
        ("--train.learning-rate 1", "--lr"),
        ("--experiment-name x", "--name"),
        ("--nmae x", "--name"),
        ("--spase mnv2_grid", "--space"),
        ("--recepie tf_slim", "--recipe"),
        ("--random-state 1", "--seed"),
        ("--n-seeds 3", "--seeds"),
        ("--num-seeds 3", "--seeds"),
        ("--device cuda", "CUDA_VISIBLE_DEVICES"),
        ("--resume", "the same command again"),
        ("--dry-run", "the command plan"),
        ("--checkpoint x", "evaluate"),
        ("--ray-address x", "--address"),
    ],
)  # fmt: skip
def test_a_mistaken_flag_is_answered_with_the_right_one(words: str, answer: str) -> None:
    with pytest.raises(ConfigError) as mistake:
        parse_sweep([*SPACE, *shlex.split(words)], Arguments, "")

    advice = str(mistake.value).partition(", ")[2]
    assert advice == f"perhaps you meant {answer}" if answer.startswith("--") else answer in advice


def test_each_of_several_mistakes_has_its_own_answer() -> None:
    with pytest.raises(ConfigError) as mistake:
        parse_sweep([*SPACE, "--n-trials=3", "--epocks", "5", "--qwxyz"], Arguments, "")

    assert str(mistake.value) == (
        "Unrecognized options: --n-trials, perhaps you meant --num-samples; --epocks, perhaps you meant --epochs; "
        "--qwxyz, see --help"
    )


def test_synonyms_name_existing_flags_and_replace_none() -> None:
    spellings = {spelling for flag in with_short_names(flags_of(Arguments)) for spelling in flag.spellings}

    assert not spellings & SYNONYMS.keys()
    for advice in SYNONYMS.values():
        flags = set(re.findall(r"--[a-z-]+", advice)) - {"--split", "--max-latency-ms"}  # of other commands
        assert flags <= spellings


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("--epochs 5 --lr 0.01", "epochs", 5),
        ("--epochs=5", "epochs", 5),
        ("--batch-size 64", "batch_size", 64),
        ("--seed 1", "seed", 1),
        ("--data digits", "data", "digits"),
        ("--train.seed 2", "seed", 2),
        ("--sync-bn", "sync_bn", True),
        ("--no-sync-bn", "sync_bn", False),
        ("--train.no-sync-bn", "sync_bn", False),
    ],
)
def test_a_setting_of_the_training_needs_no_prefix(words: str, field: str, value: object) -> None:
    arguments = parse_sweep([*SPACE, *words.split()], Arguments, "")

    assert getattr(arguments.train, field) == value
