"""Training of stages: the loop, the jobs around it, checkpoints, processes, devices; and other jobs with a network."""
