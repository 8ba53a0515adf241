"""`python -m lakemesh` is the `mesh` command. Next: `cli.py`."""

from lakemesh.cli import main

main()
