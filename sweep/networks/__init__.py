"""Opens, assesses and registers the networks that a sweep trained."""
