"""Results to numbers, tables and figures, with pandas and matplotlib only: no Ray, no torch."""
