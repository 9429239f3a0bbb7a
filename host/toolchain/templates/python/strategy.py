"""The strategy `my-plugin`."""

import json

from wit_world import exports
from wit_world.exports.strategy import (
    Directive_Complete,
    Directive_EnterStage,
    Directive_RollBack,
    Directive_Wait,
    Exposure_All,
    Exposure_Percent,
    Stage,
)
from wit_world.imports.types import Description, Outcome

# The host asks again as soon as something changes, so this is a safety net and not a pace.
UNTIL_CHANGED_MS = 60 * 60 * 1000

DEFAULTS = {"first_bp": 1_000, "hold_secs": 3_600, "max_failure_bp": 500}
SCHEMA = {
    "type": "object",
    "properties": {
        "first_bp": {
            "description": "The share of the targets that the first stage reaches, in basis points.",
            "type": "integer",
            "minimum": 1,
            "maximum": 10_000,
            "default": DEFAULTS["first_bp"],
        },
        "hold_secs": {
            "description": "How long health must stay good after the last target of a stage settled, in seconds.",
            "type": "integer",
            "minimum": 0,
            "maximum": 31_536_000,
            "default": DEFAULTS["hold_secs"],
        },
        "max_failure_bp": {
            "description": "Roll back when more than this share of the finished targets failed or fell silent, in basis points.",
            "type": "integer",
            "minimum": 0,
            "maximum": 10_000,
            "default": DEFAULTS["max_failure_bp"],
        },
    },
    "additionalProperties": False,
}


class Plugin(exports.Plugin):
    def describe(self):
        return Description(
            name="my-plugin",
            version="0.1.0",
            summary="Reaches a few targets first, then all.",
            settings_schema=json.dumps(SCHEMA),
            evidence_sources=[],
        )

    def check_settings(self, settings):
        # What the schema cannot say: a list of `SettingsProblem(path, message)`.
        return []


class Strategy(exports.Strategy):
    def plan(self, change, population, settings):
        settings = read(settings)
        hold = settings["hold_secs"] * 1000
        return [Stage("first", Exposure_Percent(settings["first_bp"]), hold), Stage("all", Exposure_All(), hold)]

    def advance(self, situation):
        limit = read(situation.settings)["max_failure_bp"]
        for health in situation.health:
            if health.verdict.outcome == Outcome.FAIL:
                why = "; ".join(finding.message for finding in health.verdict.findings)
                return Directive_RollBack(f"health check `{health.check}`: {why}")
        progress = situation.progress
        unsuccessful = progress.failed + progress.silent + progress.rolled_back
        finished = progress.verified + unsuccessful
        if unsuccessful * 10_000 > limit * finished:
            return Directive_RollBack(f"{unsuccessful} of {finished} finished targets failed or fell silent")
        if situation.stage is None:
            return Directive_EnterStage(0)
        return Directive_Wait(until) if (until := stay(situation)) else step(situation)


def stay(situation):
    """Until when to stay in this stage; nothing when it may be left."""
    until_changed = situation.now + UNTIL_CHANGED_MS
    if situation.settled_at is None:
        return until_changed
    held_until = situation.settled_at + situation.plan[situation.stage].hold
    if situation.now < held_until and not situation.promoted:
        return held_until
    for health in situation.health:
        # An older verdict is about fewer targets and proves nothing for this stage.
        if health.at < situation.entered_at:
            return until_changed
        # A promotion is a person's answer to the warning.
        if health.verdict.outcome == Outcome.WARN and not situation.promoted:
            return until_changed
    return None


def step(situation):
    following = situation.stage + 1
    return Directive_EnterStage(following) if following < len(situation.plan) else Directive_Complete()


def read(settings):
    # The host has held them against the schema.
    return {**DEFAULTS, **json.loads(settings)}
