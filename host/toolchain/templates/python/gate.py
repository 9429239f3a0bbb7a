"""The gate `my-plugin`."""

import json

from wit_world import exports
from wit_world.imports.types import Description, Finding, Outcome, Severity, Verdict

DEFAULTS = {"max_bytes": 64 << 20}
SCHEMA = {
    "type": "object",
    "properties": {
        "max_bytes": {
            "description": "The highest size of one artifact, in bytes.",
            "type": "integer",
            "minimum": 1,
            "default": DEFAULTS["max_bytes"],
        },
    },
    "additionalProperties": False,
}


class Plugin(exports.Plugin):
    def describe(self):
        return Description(
            name="my-plugin",
            version="0.1.0",
            summary="Refuses artifacts that are larger than the operator allows.",
            settings_schema=json.dumps(SCHEMA),
            evidence_sources=[],
        )

    def check_settings(self, settings):
        # What the schema cannot say: a list of `SettingsProblem(path, message)`.
        return []


class Gate(exports.Gate):
    def evaluate(self, change, settings, now):
        # The host has held them against the schema.
        limit = {**DEFAULTS, **json.loads(settings)}["max_bytes"]
        findings = []
        for artifact in change.artifacts:
            if artifact.size_bytes > limit:
                message = f"`{artifact.name}` has {artifact.size_bytes} bytes; at most {limit} are allowed"
                findings.append(Finding("artifact-too-large", Severity.CRITICAL, message, artifact.digest))
        return Verdict(Outcome.FAIL if findings else Outcome.PASS, findings)
