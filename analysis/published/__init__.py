"""Published tables of MobileNets, and what stands beside a sweep."""
