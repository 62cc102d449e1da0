"""Stream the log to WebSockets: one tail a process, shared messages, no task a socket."""
