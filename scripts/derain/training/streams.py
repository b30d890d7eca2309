"""Random streams, which must differ: random numbers are seeded with (seed, stream, depth of the stage, step).

Ingredients of methods define their own streams (STREAM in their modules).
"""

TRAINING, IMPORTANCE, STATE, THEORY = 1, 2, 3, 5
