"""Uses of a trained network: score, predict, export, time."""
