"""Route over the pools of one pair, side by side: the exact split, and heuristics to compare.

``book`` merges the pools' curves and shares an amount (``kernels``); ``split`` is the optimum, with
``legs`` to choose which pools get one where legs cost something; ``baselines`` are what others do;
``parallel`` makes the route and its bound.
"""
