"""What a sweep will train, decided before anything runs."""
