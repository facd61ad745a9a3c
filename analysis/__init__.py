"""Results to numbers, tables and figures. Needs pandas and matplotlib only, so it runs on a laptop without Ray or torch."""
