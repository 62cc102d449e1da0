"""The executor: ports, the pure next step, policies, engine, workers, adapters in memory."""
