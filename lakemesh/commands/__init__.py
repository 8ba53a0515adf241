"""The commands, a module for each concern; `lakemesh/cli.py` lists them. Heavy imports stand inside functions."""
