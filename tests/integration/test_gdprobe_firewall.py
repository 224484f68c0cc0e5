# SPDX-License-Identifier: MIT
"""gdprobe through firewalls, in a network namespace."""

from namespaces import namespace  # noqa: F401 (a fixture)
from probing import causes


def test_firewall_drops_udp(namespace):
    namespace.rule("udp", "dport", "8890", "drop")
    root, seconds = namespace.probe()
    assert causes(root) == {"https": None, "tcp": None, "udp": "udp-filtered"}
    assert root["exit"] == 2 and root["duration_ns"] <= 5e9
    assert seconds < 5.5  # starting the programs included


def test_firewall_rejects_udp(namespace):
    namespace.rule("udp", "dport", "8890", "reject")
    root, seconds = namespace.probe()
    assert causes(root) == {"https": None, "tcp": None, "udp": "udp-closed"}
    assert seconds < 3


def test_firewall_prohibits_udp(namespace):
    namespace.rule("udp", "dport", "8890", "reject", "with", "icmpx", "type", "admin-prohibited")
    assert causes(namespace.probe()[0])["udp"] == "udp-unreachable"


def test_firewall_drops_tcp(namespace):
    namespace.rule("tcp", "dport", "8890", "drop")
    root, _ = namespace.probe("--timeout", "1")
    assert causes(root) == {"https": "tcp-filtered", "tcp": "tcp-filtered", "udp": None}
