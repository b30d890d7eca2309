"""Training of stages: the loop, the jobs around it, checkpoints, processes, devices."""
