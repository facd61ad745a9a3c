"""The hardware a training runs on."""
