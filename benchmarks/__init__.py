"""How fast is it? `python -m benchmarks NAME [--json]`: each figure with its floor, measured in the same run. Next: `__main__.py`."""
