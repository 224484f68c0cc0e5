# SPDX-License-Identifier: MIT
"""Count results: automake's .trs files of a build tree, JUnit XML of pytest, JSON lines of `go test`.

usage: count_results.py FILE-OR-FOLDER...   prints PASSED FAILED SKIPPED
"""

import json
import pathlib
import sys
import xml.etree.ElementTree

AUTOMAKE = {"PASS": 0, "XFAIL": 0, "FAIL": 1, "XPASS": 1, "ERROR": 1, "SKIP": 2}
GO = {"pass": 0, "fail": 1, "skip": 2}


def count_trs(folder, counts):
    for path in folder.rglob("*.trs"):
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith(":test-result: "):
                counts[AUTOMAKE[line.split()[1]]] += 1


def count_junit(path, counts):
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            counts[1] += 1
        elif case.find("skipped") is not None and case.find("skipped").get("type") != "pytest.xfail":
            counts[2] += 1
        else:
            counts[0] += 1


def count_go(path, counts):
    for line in path.read_text(errors="replace").splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        # Events without a test are about the package as a whole.
        if "Test" in event and event.get("Action") in GO:
            counts[GO[event["Action"]]] += 1


def main():
    counts = [0, 0, 0]
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        if path.is_dir():
            count_trs(path, counts)
        elif path.suffix == ".xml" and path.exists():
            count_junit(path, counts)
        elif path.exists():
            count_go(path, counts)
    print(*counts)


if __name__ == "__main__":
    main()
