"""What test suites use of kwire: a broker as a child process, and topics and groups that last
as long as a test.

Rules: synchronous, standard library and kwire_codecs alone, so that it can be used under any test runner and
event loop.
"""
