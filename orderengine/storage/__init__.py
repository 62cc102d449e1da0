"""Databases that outlive the process: orders, events, leases, keys, and what operators decide."""
