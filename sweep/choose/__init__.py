"""Which trial runs next, and which points stop early."""
