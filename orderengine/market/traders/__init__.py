"""Everybody else in the simulated market: takers, arbitrageurs, an attacker, providers."""
