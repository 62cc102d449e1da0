"""Adapters that make a swap final."""
