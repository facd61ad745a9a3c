"""Networks that a sweep trained: opened, assessed, registered."""
