"""Holds the rendered chart and KServe's manifests against the rules of Trivy and Checkov.

`make check-deploy` runs it. A rule may be broken only where the chart's README says why; one that
is excused there and not broken is reported as well.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.chart import CHART, EXAMPLES, Helm, documents, values_of
from tests.harness.server_process import ROOT

BIN = ROOT / ".venvs/deploy-scan/bin"
TRIVY = ("config", "--skip-check-update", "--skip-version-check", "--quiet", "--format", "json")
CHECKOV = ("--skip-download", "--quiet", "--compact", "--framework", "kubernetes", "-o", "json")


def excused() -> set[str]:
    """The rules that the README gives a reason for not meeting."""
    text = (CHART / "README.md").read_text("utf-8").partition("## Policies")[2]
    return set(re.findall(r"^\| ((?:KSV|CKV)\S+) \|", text, re.MULTILINE))


def write_manifests(folder: Path) -> int:
    """Render every example into `folder`, KServe's runtimes beside them; how many files."""
    helm = Helm()
    for example in EXAMPLES:
        rendered = documents(helm.render(values_of(example)))
        (folder / example.name).write_text(yaml.safe_dump_all(rendered), "utf-8")
    helm.close()
    for path in (ROOT / "deploy/kserve").glob("*.yaml"):
        (folder / f"kserve-{path.name}").write_bytes(path.read_bytes())
    return len(list(folder.iterdir()))


def broken_by_trivy(folder: Path) -> list[tuple[str, str]]:
    """Rule and place of each finding."""
    report = _run("trivy", [*TRIVY, "."], folder)
    results = report["Results"]
    assert all(result["MisconfSummary"]["Successes"] for result in results)
    return [
        (item["ID"], f"{result['Target']}: {item['Message']}")
        for result in results
        for item in result.get("Misconfigurations", [])
    ]


def broken_by_checkov(folder: Path) -> list[tuple[str, str]]:
    """Rule and place of each finding."""
    report = _run("checkov", [*CHECKOV, "-d", "."], folder)
    assert report["summary"]["passed"] > 0
    assert report["summary"]["parsing_errors"] == 0
    return [
        (item["check_id"], f"{item['file_path']}: {item['resource']}: {item['check_name']}")
        for item in report["results"]["failed_checks"]
    ]


def main() -> int:
    """Print what is broken and not excused, and what is excused and not broken."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_manifests(folder)
        broken = broken_by_trivy(folder) + broken_by_checkov(folder)
    allowed = excused()
    for rule, place in broken:
        if rule not in allowed:
            print(f"{rule} {place}")
    unneeded = allowed - {rule for rule, _ in broken}
    for rule in sorted(unneeded):
        print(f"{rule} is excused in the chart's README, but nothing breaks it")
    failed = {rule for rule, _ in broken} - allowed | unneeded
    print(f"{count} files scanned; {len(allowed)} rules are excused; {len(failed)} to look at")
    return 1 if failed else 0


def _run(tool: str, arguments: Sequence[str], folder: Path) -> Any:
    done = subprocess.run(
        [str(BIN / tool), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"{tool} ended with {done.returncode}: {done.stderr}") from None


if __name__ == "__main__":
    sys.exit(main())
