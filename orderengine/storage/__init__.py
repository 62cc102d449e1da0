"""Stores that outlive the process: orders, events, leases and keys on SQL."""
