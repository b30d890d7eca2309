"""The commands for people: one module each, named like its command, in the table of `derain.__main__`.

The program imports all of them for its help and for completion, so they import slow modules in their functions.
"""
