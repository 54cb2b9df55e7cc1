"""Measurements. `python -m bench` puts kwire beside its peers; README.md says what else is here."""
