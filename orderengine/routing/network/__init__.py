"""Route over a graph of tokens: several hops, each split over pools, with a bound by duality.

``strategy`` is the way in. ``graph`` prunes the market to what can lead from the one token to the
other; ``dual`` and ``kernels`` find the tokens' marginal prices and the bound; ``cycles`` keeps
cycles out; ``sequence`` and ``fill`` make integer legs that can be executed one after another;
``paths``, ``capacity`` and ``result`` begin and end it.
"""
