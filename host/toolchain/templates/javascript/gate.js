// The gate `my-plugin`.

const DEFAULTS = { max_bytes: 67108864 };
const SCHEMA = {
  type: "object",
  properties: {
    max_bytes: {
      description: "The highest size of one artifact, in bytes.",
      type: "integer",
      minimum: 1,
      default: DEFAULTS.max_bytes,
    },
  },
  additionalProperties: false,
};

export const plugin = {
  describe: () => ({
    name: "my-plugin",
    version: "0.1.0",
    summary: "Refuses artifacts that are larger than the operator allows.",
    settingsSchema: JSON.stringify(SCHEMA),
    evidenceSources: [],
  }),
  // What the schema cannot say: a list of `{ path, message }`.
  checkSettings: () => [],
};

export const gate = {
  evaluate(change, settings, now) {
    // The host has held them against the schema.
    const limit = { ...DEFAULTS, ...JSON.parse(settings) }.max_bytes;
    const findings = [];
    for (const { name, digest, sizeBytes } of change.artifacts) {
      if (exact(sizeBytes) > limit) {
        const message = `\`${name}\` has ${sizeBytes} bytes; at most ${limit} are allowed`;
        findings.push({ code: "artifact-too-large", severity: "critical", message, subject: digest });
      }
    }
    return { outcome: findings.length > 0 ? "fail" : "pass", findings };
  },
};

// A number of 64 bits arrives as a `number`, which is exact only up to 2^53: beyond it nothing may be judged.
function exact(number) {
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw { tag: "internal", val: "a number beyond 2^53 cannot be judged in JavaScript; use another language" };
}
