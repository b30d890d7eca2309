"""The commands for people: one module each, named like its command, in the table of `derain.__main__`.

Other modules hold what commands share: `experiment` and `network` their options, `partial` the page of an unfinished
run.

The program imports all of them for its help and for completion, so they import slow modules in their functions.
"""
