"""Let those who run the service see how it stands, and pause, drain and mend it."""
