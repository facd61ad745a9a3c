"""Listeners that show a running sweep: terminal, live report and MLflow."""
