"""The service beside a Fastify and BullMQ peer, end to end: ``make bench-service``."""
