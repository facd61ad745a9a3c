"""What `mlflow server` serves here: its own pages."""
