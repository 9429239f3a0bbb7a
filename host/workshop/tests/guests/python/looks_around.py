"""A gate that asks for everything that a plugin does not get, and tells what came of it."""

import os
import random
import time
import uuid

from wit_world import exports
from wit_world.imports.types import Description, Finding, Outcome, Severity, Verdict


class Plugin(exports.Plugin):
    def describe(self):
        schema = '{"type":"object","additionalProperties":false}'
        return Description("looks-around", "0.1.0", "Tells what it sees around it.", schema, [])

    def check_settings(self, settings):
        return []


class Gate(exports.Gate):
    def evaluate(self, change, settings, now):
        def told(code, look):
            try:
                message = str(look())
            except OSError as error:
                message = type(error).__name__
            return Finding(code, Severity.INFO, message, "")

        findings = [
            told("wall-clock", lambda: time.time_ns() // 1_000_000),
            told("monotonic-clock", time.monotonic_ns),
            told("sleep", lambda: time.sleep(3600)),
            told("system-random", lambda: os.urandom(16).hex()),
            told("seeded-random", lambda: random.Random().random()),
            told("uuid", uuid.uuid4),
            told("environment", lambda: sorted(os.environ)),
            told("file", lambda: open("/etc/passwd").read()),
            told("folder", lambda: os.listdir("/")),
        ]
        return Verdict(Outcome.PASS, findings)
