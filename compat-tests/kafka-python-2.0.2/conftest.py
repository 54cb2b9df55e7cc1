"""kafka-python 2.0.2's scenarios: this folder's and those of ../kafka-python/both.

Its vendored `six` relies on an import hook that Python 3.12 dropped, so that there `import kafka` fails with
"No module named 'kafka.vendor.six.moves'".  What its users do is done here: the real `six` is put in its
place before the first import.  The client itself is untouched.
"""

import sys

if sys.version_info >= (3, 12):
    import six

    sys.modules["kafka.vendor.six.moves"] = six.moves

pytest_plugins = ["kafka_python_fixtures"]
