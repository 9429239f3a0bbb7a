// The health check `my-plugin`.

const ERRORS = "errors";

const DEFAULTS = { max_error_bp: 100, window_secs: 900 };
const SCHEMA = {
  type: "object",
  properties: {
    max_error_bp: {
      description: "The highest share of errors among treated targets, in basis points.",
      type: "integer",
      minimum: 1,
      maximum: 10000,
      default: DEFAULTS.max_error_bp,
    },
    window_secs: {
      description: "How far to look back, in seconds.",
      type: "integer",
      minimum: 1,
      maximum: 86400,
      default: DEFAULTS.window_secs,
    },
  },
  additionalProperties: false,
};

export const plugin = {
  describe: () => ({
    name: "my-plugin",
    version: "0.1.0",
    summary: "Fails when treated targets report more errors than the operator allows.",
    settingsSchema: JSON.stringify(SCHEMA),
    evidenceSources: [],
  }),
  // What the schema cannot say: a list of `{ path, message }`.
  checkSettings: () => [],
};

export const health = {
  needs(change, settings) {
    const window = read(settings).window_secs * 1000;
    return [{ id: ERRORS, metric: "error_rate", window, aggregation: "mean" }];
  },

  judge(observations, settings, now) {
    const limit = read(settings).max_error_bp;
    const found = observations.find((observation) => observation.query.id === ERRORS);
    if (!found) throw { tag: "evidence", val: `the host did not answer the query \`${ERRORS}\`` };
    const rate = found.treatment.value;
    if (rate == null) {
      const message = "no treated target has reported `error_rate` yet; wait for more";
      return { outcome: "warn", findings: [{ code: "errors-unknown", severity: "warning", message, subject: ERRORS }] };
    }
    // Not `rate > limit`: what is not a number is larger than nothing, and must not pass.
    if (rate * 10000 <= limit) return { outcome: "pass", findings: [] };
    const message = `treated targets report more than ${limit} basis points of errors`;
    return { outcome: "fail", findings: [{ code: "errors-too-high", severity: "critical", message, subject: ERRORS }] };
  },
};

// The host has held them against the schema.
function read(settings) {
  return { ...DEFAULTS, ...JSON.parse(settings) };
}
