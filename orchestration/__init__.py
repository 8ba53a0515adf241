"""The product plane: a product's folder becomes runs and Dagster definitions. `story.py` tells what a run does."""
