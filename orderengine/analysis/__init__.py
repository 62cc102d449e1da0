"""Turn order event logs into tables, costs, latencies, charts and a one-page report."""
