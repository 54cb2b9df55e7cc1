"""Small clients on kwire's codecs, as careful and as careless as real ones, a module for each role.

Rules: each client is one task with a generator of its own; it sends every API in a version picked anew; it
reconnects, asks for metadata again and goes on after whatever fails; what it was told goes to the `History`.
"""
