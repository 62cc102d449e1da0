"""Run a scenario over a grid, several times a point, on whatever runs Python functions."""
