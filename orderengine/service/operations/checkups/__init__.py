"""Ask single questions of the production checklist."""
