"""Run the engine as a service: orders come over HTTP, SQL keeps them, Redis wakes workers."""
