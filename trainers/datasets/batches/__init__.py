"""Batches of images: cropped, augmented, normalised."""
