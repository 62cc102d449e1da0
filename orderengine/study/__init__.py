"""A scenario in, a result out: runs of the engine in the simulated world, in virtual time."""
