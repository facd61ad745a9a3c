"""Which trial next, where it runs, and what is kept. The only home of Ray, Optuna and MLflow."""
