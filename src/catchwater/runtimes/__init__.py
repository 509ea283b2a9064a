"""From an event to a step to a stage, and nothing else."""
