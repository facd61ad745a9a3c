"""Decoded pixels: decoding, caching, damaged images."""
