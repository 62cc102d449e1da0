"""Be the web face: what a request meets, and what it is answered."""
