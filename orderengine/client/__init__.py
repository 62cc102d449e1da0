"""Talk to a running service over HTTP and WebSocket: submit, follow, cancel, list."""
