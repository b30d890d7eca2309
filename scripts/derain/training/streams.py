"""Streams of random numbers, which must not meet: a seed is (seed, stream, depth of the stage), then the step.

Ingredients of methods have streams of their own (STREAM in their modules).
"""

TRAINING, IMPORTANCE, STATE, THEORY = 1, 2, 3, 5
