"""The health check `my-plugin`."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.health import Aggregation, Query
from wit_world.imports.types import Description, Fault_Evidence, Finding, Outcome, Severity, Verdict

ERRORS = "errors"

DEFAULTS = {"max_error_bp": 100, "window_secs": 900}
SCHEMA = {
    "type": "object",
    "properties": {
        "max_error_bp": {
            "description": "The highest share of errors among treated targets, in basis points.",
            "type": "integer",
            "minimum": 1,
            "maximum": 10_000,
            "default": DEFAULTS["max_error_bp"],
        },
        "window_secs": {
            "description": "How far to look back, in seconds.",
            "type": "integer",
            "minimum": 1,
            "maximum": 86_400,
            "default": DEFAULTS["window_secs"],
        },
    },
    "additionalProperties": False,
}


class Plugin(exports.Plugin):
    def describe(self):
        return Description(
            name="my-plugin",
            version="0.1.0",
            summary="Fails when treated targets report more errors than the operator allows.",
            settings_schema=json.dumps(SCHEMA),
            evidence_sources=[],
        )

    def check_settings(self, settings):
        # What the schema cannot say: a list of `SettingsProblem(path, message)`.
        return []


class Health(exports.Health):
    def needs(self, change, settings):
        window = read(settings)["window_secs"] * 1000
        return [Query(ERRORS, "error_rate", window, Aggregation.MEAN)]

    def judge(self, observations, settings, now):
        limit = read(settings)["max_error_bp"]
        found = [observation for observation in observations if observation.query.id == ERRORS]
        if not found:
            raise Err(Fault_Evidence(f"the host did not answer the query `{ERRORS}`"))
        rate = found[0].treatment.value
        if rate is None:
            message = "no treated target has reported `error_rate` yet; wait for more"
            return Verdict(Outcome.WARN, [Finding("errors-unknown", Severity.WARNING, message, ERRORS)])
        # Not `rate > limit`: what is not a number is larger than nothing, and must not pass.
        if rate * 10_000 <= limit:
            return Verdict(Outcome.PASS, [])
        message = f"treated targets report more than {limit} basis points of errors"
        return Verdict(Outcome.FAIL, [Finding("errors-too-high", Severity.CRITICAL, message, ERRORS)])


def read(settings):
    # The host has held them against the schema.
    return {**DEFAULTS, **json.loads(settings)}
