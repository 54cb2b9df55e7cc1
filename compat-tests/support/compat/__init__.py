"""What the Python clients' suites share: a broker to talk to, the checked-in list of test ids, waiting.

Each suite runs in its client's own virtual environment, so nothing here imports a client, and nothing here
imports kwire: the broker is a child process or an address.
"""
