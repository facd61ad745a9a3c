"""Published tables of MobileNets, and a sweep beside them."""
