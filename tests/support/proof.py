"""How long the long proofs are, from the environment that `make proof` sets, and the seeds they print."""

import os
import random

SECONDS = float(os.environ.get("CATCHWATER_PROOF_SECONDS", "60"))
SEEDS = int(os.environ.get("CATCHWATER_PROOF_SEEDS", "1"))
KILLS = int(os.environ.get("CATCHWATER_PROOF_KILLS", "100"))


def seed() -> int:
    """CATCHWATER_SEED, else another one each time; it is printed, so that a failure can be repeated."""
    chosen = int(os.environ.get("CATCHWATER_SEED", random.randrange(1 << 30)))
    print(f"CATCHWATER_SEED={chosen}")
    return chosen
