"""Adapters that quote."""
