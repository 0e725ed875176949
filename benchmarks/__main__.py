"""The command line: ``python -m benchmarks [measurement ...]``."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

from benchmarks import (
    apart,
    clients,
    crowd,
    expectations,
    imports,
    inspector,
    journals,
    lifecycle,
    mail,
    suites,
    targets,
    throughput,
)
from benchmarks.processes import cores
from benchmarks.run import QUICK, Run, Settings
from benchmarks.servers import SERVERS, Server
from benchmarks.tables import Table

MEASUREMENTS: dict[str, Callable[[Run], list[Table]]] = {
    "lifecycle": lifecycle.measure,
    "apart": apart.measure,
    "throughput": throughput.measure,
    "clients": clients.measure,
    "expectations": expectations.measure,
    "journals": journals.measure,
    "mail": mail.measure,
    "imports": imports.measure,
    "crowd": crowd.measure,
    "suites": suites.measure,
    "inspector": inspector.measure,
}
#: Distributions whose versions decide what is measured.
DISTRIBUTIONS = (
    "liveserver-testcase",
    "pytest-httpserver",
    "pytest-localserver",
    "pytest-flask",
    "Django",
    "Werkzeug",
    "cheroot",
    "waitress",
    "uvicorn",
    "uvloop",
    "httptools",
    "Flask",
    "aiosmtpd",
    "requests",
    "httpx",
)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; a wrong name ends the program with the names that there are."""
    names = [server.name for server in SERVERS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure this library and its peers side by side.",
        epilog=f"Measurements: {', '.join(MEASUREMENTS)}. Servers: {', '.join(names)}.",
    )
    parser.add_argument("measurements", nargs="*", metavar="measurement", help="default: all")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds over all servers, at least 1")
    parser.add_argument("--quick", action="store_true", help="little of everything, in under a minute")
    parser.add_argument("--only", metavar="SERVER,...", help="take these servers only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    options = parser.parse_args(arguments)
    for name in options.measurements:
        if name not in MEASUREMENTS:
            parser.error(f"no measurement {name!r}; there are {', '.join(MEASUREMENTS)}")
    options.only = options.only.split(",") if options.only else names
    for name in options.only:
        if name not in names:
            parser.error(f"no server {name!r}; there are {', '.join(names)}")
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least one round is needed")
    return options


def settings_of(options: argparse.Namespace) -> Settings:
    """Give how much is measured."""
    settings = QUICK if options.quick else Settings()
    return settings if options.rounds is None else replace(settings, rounds=options.rounds)


def present(wanted: Sequence[str]) -> list[Server]:
    """Give the servers that are wanted and installed; name the others."""
    servers = []
    for server in SERVERS:
        if server.name not in wanted:
            continue
        missing = server.missing()
        if missing is None:
            servers.append(server)
        else:
            print(f"skipped: {server.name}: {missing}")
    return servers


def versions() -> dict[str, str]:
    """Give the version of every distribution that is installed."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, object]:
    """Describe what the figures depend on."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": f"{platform.system()} {platform.machine()}",
        "pinned": cores() is not None,
    }


def main(arguments: Sequence[str]) -> int:
    """Measure, print each table as soon as it is there, then the targets."""
    options = parse(arguments)
    began = time.monotonic()
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    run = Run(settings_of(options), present(options.only), lambda line: print(line, flush=True))
    tables: dict[str, Table] = {}
    timings: dict[str, float] = {}
    for name in options.measurements or MEASUREMENTS:
        run.say(f"\nmeasuring {name} ...")
        started = time.monotonic()
        for table in MEASUREMENTS[name](run):
            tables[table.name] = table
            run.say(table.render() + "\n")
        timings[name] = time.monotonic() - started
    verdicts = targets.judge(tables, run.settings.quick)
    print(targets.render(verdicts, run.settings.quick))
    print("\ntook " + ", ".join(f"{name} {took:.0f} s" for name, took in timings.items()), end="")
    print(f"; {time.monotonic() - began:.0f} s in all")
    if options.json:
        record = {
            "machine": machine(),
            "versions": versions(),
            "settings": asdict(run.settings),
            "tables": {name: table.as_json() for name, table in tables.items()},
            "targets": verdicts,
        }
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
