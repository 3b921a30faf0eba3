import pytest

# What these modules assert says what it saw, too.
pytest.register_assert_rewrite("browsers", "buckets", "fixtures", "gyre", "namespaces", "notebooks", "proxied", "servers")

from fixtures import *  # noqa: E402,F401,F403
