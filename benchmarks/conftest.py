"""Keep every peer on one thread, for all are compared by CPU time.

Threads of BLAS wait by spinning: on a busy machine that cost scipy 2 to 180 times what it computes.
Read when numpy is first imported, so it is set here, before any module of benchmarks.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
