"""What a sweep will cost in time, memory and disk."""
