"""The guard: instruction counts of the hottest functions, held against figures in the repository.

`python -m bench.guard`; README.md says how and why.
"""
