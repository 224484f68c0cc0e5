# SPDX-License-Identifier: MIT
"""pytest finds fixtures in conftest.py only; interop/conftest.py takes the same ones."""

from fixtures import bindir, certs, destination, echo, odd, server, shared_server, start_server  # noqa: F401
