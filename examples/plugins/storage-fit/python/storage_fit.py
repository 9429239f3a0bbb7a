"""The gate `storage-fit`: every artifact fits into the storage of the smallest device."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import evidence, logging
from wit_world.imports.types import (
    ChangeKind,
    Description,
    Fault_Evidence,
    Fault_Settings,
    Finding,
    Outcome,
    SettingsProblem,
    Severity,
    Verdict,
)

MODELS_SHOWN = 3
NAME_CHARS = 24
U64_MAX = 2**64 - 1

DEFAULTS = {"storage_bytes": 64 << 20, "reserve_bytes": 0, "warn_bp": 9_000, "exempt": []}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Settings",
    "description": "What an operator sets for the gate.",
    "type": "object",
    "properties": {
        "storage_bytes": {
            "description": "What the smallest device can store, in bytes.",
            "type": "integer",
            "format": "uint64",
            "minimum": 1,
            "default": DEFAULTS["storage_bytes"],
        },
        "reserve_bytes": {
            "description": "What must stay free of it, in bytes.",
            "type": "integer",
            "format": "uint64",
            "minimum": 0,
            "default": DEFAULTS["reserve_bytes"],
        },
        "warn_bp": {
            "description": "Warn above this share of the room, in basis points.",
            "type": "integer",
            "format": "uint32",
            "minimum": 1,
            "maximum": 10_000,
            "default": DEFAULTS["warn_bp"],
        },
        "exempt": {
            "description": "Names of artifacts that are not judged.",
            "type": "array",
            "items": {"type": "string"},
            "default": DEFAULTS["exempt"],
        },
    },
    "additionalProperties": False,
}


class Plugin(exports.Plugin):
    def describe(self):
        return Description(
            name="storage-fit",
            version="0.1.0",
            summary="Refuses artifacts that do not fit into the storage of the smallest device.",
            settings_schema=json.dumps(SCHEMA),
            evidence_sources=["artifact"],
        )

    def check_settings(self, settings):
        return problems(read_settings(settings))


class Gate(exports.Gate):
    def evaluate(self, change, settings, now):
        settings = read_settings(settings)
        # Asked again although the host checks before: a gate must not act on settings that it would refuse.
        for problem in problems(settings):
            raise Err(Fault_Settings(f"`{problem.path}`: {problem.message}"))
        if not change.artifacts and change.kind == ChangeKind.RELEASE:
            message = "the release has no artifact, so there is nothing to judge; is that meant?"
            return verdict([Finding("artifact-missing", Severity.WARNING, message, "/artifacts")])
        findings = []
        for artifact in change.artifacts:
            if artifact.name in settings["exempt"]:
                message = f"`{shown(artifact.name)}` is not judged: the settings exempt it"
                findings.append(Finding("artifact-exempt", Severity.INFO, message, artifact.digest))
                continue
            facts = read_facts(artifact)
            findings += judge(facts, settings, artifact.digest)
        logging.log(logging.Level.DEBUG, f"judged {len(change.artifacts)} artifacts")
        return verdict(findings)


def read_settings(text):
    # The host has held them against the schema.
    return {**DEFAULTS, **json.loads(text)}


def problems(settings):
    found = []
    storage, reserve = settings["storage_bytes"], settings["reserve_bytes"]
    if reserve >= storage:
        message = f"{reserve} in reserve leave nothing of {storage}; reserve less"
        found.append(SettingsProblem("/reserve_bytes", message))
    for index, name in enumerate(settings["exempt"]):
        if name == "":
            message = "an artifact has a name; write it or leave this out"
            found.append(SettingsProblem(f"/exempt/{index}", message))
    return found


def read_facts(artifact):
    """What the host knows of an artifact, as far as this gate reads it."""
    source, key = "artifact", f"{artifact.name}@{artifact.version}@{artifact.digest}"
    try:
        content = evidence.fetch(source, key).content
    except Err as refused:
        match refused.value:
            case evidence.Refusal_Denied(why):
                message = f"this plugin may not read `{source}`: {why}"
            case evidence.Refusal_Unavailable(why):
                message = f"`{source}` did not answer for `{key}`: {why}"
            case _:
                message = f"`{source}` has nothing under `{key}`; provide it and run the gate again"
        raise Err(Fault_Evidence(message)) from None
    try:
        facts = json.loads(content.decode(), parse_constant=refuse_constant)
        check_facts(facts)
    except (ValueError, RecursionError) as error:
        message = f"`{source}` answered for `{key}` with something unreadable: {error}"
        raise Err(Fault_Evidence(message)) from None
    if (facts["name"], facts["version"], facts["digest"]) != (artifact.name, artifact.version, artifact.digest):
        asked, answered = shown(artifact.name), shown(facts["name"])
        raise Err(Fault_Evidence(f"asked about artifact `{asked}`, but the answer is about `{answered}`"))
    return facts


def refuse_constant(text):
    raise ValueError(f"`{text}` is not JSON")


def check_facts(facts):
    if type(facts) is not dict:
        raise ValueError("not an object")
    for field in ["name", "version", "digest"]:
        check_text(field, facts.get(field))
    # `True` is an `int` too, so `isinstance` would let it pass.
    if type(facts.get("size")) is not int or not 0 <= facts["size"] <= U64_MAX:
        raise ValueError("`size` is no number of bytes")
    if type(facts.get("models")) is not list:
        raise ValueError("`models` is no list")
    for model in facts["models"]:
        check_text("models", model)


def check_text(field, text):
    if type(text) is not str:
        raise ValueError(f"`{field}` is no text")
    # Half of a surrogate pair is let through by `json`, but is no text and could not leave this plugin.
    text.encode()


def judge(facts, settings, digest):
    name, size = shown(facts["name"]), facts["size"]
    room = settings["storage_bytes"] - settings["reserve_bytes"]
    if size > room:
        message = f"`{name}` needs {size} bytes, but {models(facts['models'])} have room for {room}; make it smaller"
        return [Finding("storage-exceeded", Severity.CRITICAL, message, digest)]
    if size * 10_000 > room * settings["warn_bp"]:
        used = size * 10_000 // room
        message = f"`{name}` takes {used} of 10000 parts of the room; plan for the next release"
        return [Finding("storage-nearly-full", Severity.WARNING, message, digest)]
    return []


def models(names):
    if not names:
        return "devices"
    named = ", ".join(f"`{shown(name)}`" for name in names[:MODELS_SHOWN])
    more = len(names) - MODELS_SHOWN
    return f"{named} and {more} more" if more > 0 else named


def shown(name):
    return name if len(name) <= NAME_CHARS else name[:NAME_CHARS] + "…"


def verdict(findings):
    severities = {finding.severity for finding in findings}
    if Severity.CRITICAL in severities:
        return Verdict(Outcome.FAIL, findings)
    return Verdict(Outcome.WARN if Severity.WARNING in severities else Outcome.PASS, findings)
