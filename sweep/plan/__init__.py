"""The plan of a sweep: its points and trials, decided before anything runs."""
