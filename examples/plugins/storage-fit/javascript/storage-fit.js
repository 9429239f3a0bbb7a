// The gate `storage-fit`: every artifact fits into the storage of the smallest device.
import { fetch } from "interlock:plugin/evidence@1.1.0";
import { log } from "interlock:plugin/logging@1.1.0";

const MODELS_SHOWN = 3;
const NAME_CHARS = 24;
const U64_MAX = 2n ** 64n - 1n;

const DEFAULTS = { storage_bytes: 67108864n, reserve_bytes: 0n, warn_bp: 9000n, exempt: [] };
const SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Settings",
  description: "What an operator sets for the gate.",
  type: "object",
  properties: {
    storage_bytes: {
      description: "What the smallest device can store, in bytes.",
      type: "integer",
      format: "uint64",
      minimum: 1,
      default: Number(DEFAULTS.storage_bytes),
    },
    reserve_bytes: {
      description: "What must stay free of it, in bytes.",
      type: "integer",
      format: "uint64",
      minimum: 0,
      default: Number(DEFAULTS.reserve_bytes),
    },
    warn_bp: {
      description: "Warn above this share of the room, in basis points.",
      type: "integer",
      format: "uint32",
      minimum: 1,
      maximum: 10000,
      default: Number(DEFAULTS.warn_bp),
    },
    exempt: {
      description: "Names of artifacts that are not judged.",
      type: "array",
      items: { type: "string" },
      default: DEFAULTS.exempt,
    },
  },
  additionalProperties: false,
};

export const plugin = {
  describe: () => ({
    name: "storage-fit",
    version: "0.1.0",
    summary: "Refuses artifacts that do not fit into the storage of the smallest device.",
    settingsSchema: JSON.stringify(SCHEMA),
    evidenceSources: ["artifact"],
  }),
  checkSettings: (settings) => problems(readSettings(settings)),
};

export const gate = {
  evaluate(change, text, now) {
    const settings = readSettings(text);
    // Asked again although the host checks before: a gate must not act on settings that it would refuse.
    for (const { path, message } of problems(settings)) throw fault("settings", `\`${path}\`: ${message}`);
    if (change.artifacts.length === 0 && change.kind === "release") {
      const message = "the release has no artifact, so there is nothing to judge; is that meant?";
      return verdict([{ code: "artifact-missing", severity: "warning", message, subject: "/artifacts" }]);
    }
    const findings = [];
    for (const artifact of change.artifacts) {
      const subject = artifact.digest;
      if (settings.exempt.includes(artifact.name)) {
        const message = `\`${shown(artifact.name)}\` is not judged: the settings exempt it`;
        findings.push({ code: "artifact-exempt", severity: "info", message, subject });
        continue;
      }
      findings.push(...judge(readFacts(artifact), settings, subject));
    }
    log("debug", `judged ${change.artifacts.length} artifacts`);
    return verdict(findings);
  },
};

// The host has held them against the schema.
function readSettings(text) {
  return { ...DEFAULTS, ...parse(text) };
}

function problems({ storage_bytes, reserve_bytes, exempt }) {
  const found = [];
  if (reserve_bytes >= storage_bytes) {
    const message = `${reserve_bytes} in reserve leave nothing of ${storage_bytes}; reserve less`;
    found.push({ path: "/reserve_bytes", message });
  }
  exempt.forEach((name, index) => {
    if (name === "") {
      const message = "an artifact has a name; write it or leave this out";
      found.push({ path: `/exempt/${index}`, message });
    }
  });
  return found;
}

// What the host knows of an artifact, as far as this gate reads it.
function readFacts({ name, version, digest }) {
  const source = "artifact";
  const key = `${name}@${version}@${digest}`;
  const content = lookUp(source, key);
  let facts;
  try {
    facts = parse(utf8(content));
    checkFacts(facts);
  } catch (error) {
    throw fault("evidence", `\`${source}\` answered for \`${key}\` with something unreadable: ${error.message}`);
  }
  if (facts.name !== name || facts.version !== version || facts.digest !== digest) {
    const message = `asked about artifact \`${shown(name)}\`, but the answer is about \`${shown(facts.name)}\``;
    throw fault("evidence", message);
  }
  return facts;
}

function lookUp(source, key) {
  try {
    return fetch(source, key).content;
  } catch ({ payload: { tag, val } }) {
    const words = {
      "not-found": `\`${source}\` has nothing under \`${key}\`; provide it and run the gate again`,
      denied: `this plugin may not read \`${source}\`: ${val}`,
      unavailable: `\`${source}\` did not answer for \`${key}\`: ${val}`,
    };
    throw fault("evidence", words[tag]);
  }
}

function checkFacts(facts) {
  if (facts === null || typeof facts !== "object") throw new Error("not an object");
  for (const field of ["name", "version", "digest"]) checkText(field, facts[field]);
  if (typeof facts.size !== "bigint" || facts.size < 0n || facts.size > U64_MAX) {
    throw new Error("`size` is no number of bytes");
  }
  if (!Array.isArray(facts.models)) throw new Error("`models` is no list");
  for (const model of facts.models) checkText("models", model);
}

// Half of a surrogate pair is a string here, but no text anywhere else.
function checkText(field, text) {
  if (typeof text !== "string" || !text.isWellFormed()) throw new Error(`\`${field}\` is no text`);
}

// A `number` is exact only up to 2^53, so whole numbers become `bigint`.
function parse(text) {
  return JSON.parse(text, (_, value, { source }) =>
    typeof value === "number" && /^-?[0-9]+$/.test(source) ? BigInt(source) : value,
  );
}

// There is no `TextDecoder`; this one throws for what is not UTF-8.
function utf8(bytes) {
  let text = "";
  for (const byte of bytes) text += "%" + byte.toString(16).padStart(2, "0");
  return decodeURIComponent(text);
}

function judge(facts, settings, subject) {
  const { size } = facts;
  const name = shown(facts.name);
  const room = settings.storage_bytes - settings.reserve_bytes;
  if (size > room) {
    const message = `\`${name}\` needs ${size} bytes, but ${models(facts.models)} have room for ${room}; make it smaller`;
    return [{ code: "storage-exceeded", severity: "critical", message, subject }];
  }
  if (size * 10000n > room * settings.warn_bp) {
    const used = (size * 10000n) / room;
    const message = `\`${name}\` takes ${used} of 10000 parts of the room; plan for the next release`;
    return [{ code: "storage-nearly-full", severity: "warning", message, subject }];
  }
  return [];
}

function models(names) {
  if (names.length === 0) return "devices";
  const named = names.slice(0, MODELS_SHOWN).map((name) => `\`${shown(name)}\``).join(", ");
  const more = names.length - MODELS_SHOWN;
  return more > 0 ? `${named} and ${more} more` : named;
}

// Characters, not halves of surrogate pairs.
function shown(name) {
  const characters = [...name];
  return characters.length > NAME_CHARS ? characters.slice(0, NAME_CHARS).join("") + "…" : name;
}

function verdict(findings) {
  const has = (severity) => findings.some((finding) => finding.severity === severity);
  return { outcome: has("critical") ? "fail" : has("warning") ? "warn" : "pass", findings };
}

function fault(tag, val) {
  return { tag, val };
}
