"""What test suites use of kwire: a broker as a child process, and topics made and deleted for a test.

Rules: synchronous, standard library and kwire_codecs alone, so that it can be used under any test runner and
event loop.
"""
