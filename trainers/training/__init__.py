"""Training one network: the loop and its parts."""
