"""Training of one network: the loop and its parts."""
