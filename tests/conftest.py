"""Several runs are done in the test's own process, one after the other; what is about other ways says so."""

import os

os.environ.setdefault("SPARRING_ON", "local:1")
