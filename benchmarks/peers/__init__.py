"""What the benchmarks compare with, each written in the way its own users would."""
