"""Ways to watch a sweep: terminal, live report, MLflow."""
