"""Wake workers in other processes through Redis, and live without it."""
