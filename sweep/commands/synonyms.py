"""What the flags of neighbouring tools are called here: Optuna, Ray Tune, timm, torchvision, Keras, Ultralytics."""

from collections.abc import Mapping

_FLAGS: Mapping[str, str] = {
    "--num-samples": "n-trials num-trials trials max-trials num-runs n-iter",
    "--epochs": "num-epochs n-epochs max-epochs num-train-epochs ep",
    "--batch-size": "batch bs b train-batch-size per-device-train-batch-size mini-batch-size",
    "--lr": "learning-rate base-lr initial-lr lr0 eta",
    "--lr-schedule": "lr-scheduler sched lr-policy schedule",
    "--weight-decay": "wd l2",
    "--optimizer": "opt optim optimiser",
    "--dropout": "drop drop-rate dropout-rate",
    "--label-smoothing": "smoothing",
    "--warmup-epochs": "warmup num-warmup-epochs lr-warmup-epochs",
    "--ema-decay": "ema model-ema model-ema-decay",
    "--precision": "amp fp16 half bf16 mixed-precision",
    "--init published": "pretrained pretrained-weights weights finetune transfer",
    "--model": "arch architecture network family",
    "--num-classes": "classes nb-classes nc",
    "--data": "dataset data-dir data-path data-root dataset-path train-dir root images input",
    "--seed": "random-seed random-state manual-seed",
    "--seeds": "num-seeds n-seeds repetitions replicates",
    "--name": "experiment experiment-name exp-name study-name run-name project tag",
    "--runs": "output-dir output out-dir outdir out log-dir logdir save-dir results-dir local-dir storage-path",
    "--scheduler": "pruner early-stopping stop",
    "--sampler": "search-alg algorithm search",
    "--max-macs": "max-flops max-madds max-mult-adds flops macs madds budget",
    "--max-params": "max-parameters params parameters",
    "--time-budget": "timeout time-limit max-time time-budget-s max-hours",
    "--gpus-per-trial": "gpus num-gpus ngpus n-gpus",
    "--cpus-per-trial": "cpus num-cpus n-cpus n-jobs jobs threads",
    "--workers-per-trial": "workers num-workers nproc-per-node world-size",
    "--address": "ray-address cluster",
    "--tracking-uri": "mlflow-uri mlflow-tracking-uri tracking-server",
    "--config": "config-file cfg yaml",
    "--published": "baseline compare reference",
    "--axis width_mult=...": "width alpha width-multiplier depth-multiplier multiplier",
    "--axis resolution=...": "img-size image-size input-size imgsz size res resolutions crop-size rho",
}
_REMARKS: Mapping[str, str] = {
    "device": "a GPU is used where there is one; --gpus-per-trial shares it, CUDA_VISIBLE_DEVICES chooses",
    "resume": "the same command again goes on; it needs no flag",
    "checkpoint": "commands such as evaluate, predict and export take a checkpoint by its place",
    "dry-run": "the command plan lists every point and trains nothing",
    "grid": "each --axis NAME=A,B,C is a dimension of the grid",
    "test": "the command evaluate scores a network with --split test",
    "export": "the command export writes ONNX, TorchScript or a state dict",
    "max-latency": "the command recommend takes --max-latency-ms",
}
SYNONYMS: Mapping[str, str] = {
    **{f"--{word}": f"perhaps you meant {flag}" for flag, words in _FLAGS.items() for word in words.split()},
    **{f"--{word}": remark for word, remark in _REMARKS.items()},
}
"""Advice by the flag of another tool."""
