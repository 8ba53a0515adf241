"""The ways a port is served, a module for each kind of server. All of them read through `read.py`, under its decision.

Next: `sql.py`.
"""
