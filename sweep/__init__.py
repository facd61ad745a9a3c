"""Plans, runs and logs sweeps. Only this package imports Ray, Optuna and MLflow."""
