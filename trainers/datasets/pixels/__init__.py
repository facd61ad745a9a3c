"""Pixels of images: decoding, caching, damaged images."""
