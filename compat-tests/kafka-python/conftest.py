"""The current release's scenarios: this folder's and those of both/, which 2.0.2 runs too."""

pytest_plugins = ["kafka_python_fixtures"]
