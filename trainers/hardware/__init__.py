"""The hardware that a training runs on."""
