"""One file per kind of chart: a pure `info(table, ...)`, then `draw(info)`; `registry.py` names them all."""
