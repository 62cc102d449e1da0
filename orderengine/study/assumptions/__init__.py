"""What a scenario takes for granted, in words: a module for each part of the world."""
