"""Speed and memory of orderengine beside its peers: ``make bench``."""
