"""The same requests to kwire and to a real Apache Kafka, and their answers compared field by field.

    pytest compat-tests/differential              both brokers, live; also says whether the recording is stale
    pytest compat-tests/differential --recorded   kwire against Kafka's recorded answers: needs no Java
    pytest compat-tests/differential --record     Kafka alone, writing recorded/

A case is a line of a table in cases/. Its versions each give a test. README.md says how to write one.
"""
