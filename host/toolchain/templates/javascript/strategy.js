// The strategy `my-plugin`.

// The host asks again as soon as something changes, so this is a safety net and not a pace.
const UNTIL_CHANGED_MS = 60 * 60 * 1000;

const DEFAULTS = { first_bp: 1000, hold_secs: 3600, max_failure_bp: 500 };
const SCHEMA = {
  type: "object",
  properties: {
    first_bp: {
      description: "The share of the targets that the first stage reaches, in basis points.",
      type: "integer",
      minimum: 1,
      maximum: 10000,
      default: DEFAULTS.first_bp,
    },
    hold_secs: {
      description: "How long health must stay good after the last target of a stage settled, in seconds.",
      type: "integer",
      minimum: 0,
      maximum: 31536000,
      default: DEFAULTS.hold_secs,
    },
    max_failure_bp: {
      description:
        "Roll back when more than this share of the finished targets failed or fell silent, in basis points.",
      type: "integer",
      minimum: 0,
      maximum: 10000,
      default: DEFAULTS.max_failure_bp,
    },
  },
  additionalProperties: false,
};

export const plugin = {
  describe: () => ({
    name: "my-plugin",
    version: "0.1.0",
    summary: "Reaches a few targets first, then all.",
    settingsSchema: JSON.stringify(SCHEMA),
    evidenceSources: [],
  }),
  // What the schema cannot say: a list of `{ path, message }`.
  checkSettings: () => [],
};

export const strategy = {
  plan(change, population, settings) {
    const { first_bp, hold_secs } = read(settings);
    const hold = hold_secs * 1000;
    return [
      { name: "first", exposure: { tag: "percent", val: first_bp }, hold },
      { name: "all", exposure: { tag: "all" }, hold },
    ];
  },

  advance(situation) {
    const { health, progress, stage, plan } = situation;
    const limit = read(situation.settings).max_failure_bp;
    const failing = health.find(({ verdict }) => verdict.outcome === "fail");
    if (failing) {
      const why = failing.verdict.findings.map(({ message }) => message).join("; ");
      return { tag: "roll-back", val: `health check \`${failing.check}\`: ${why}` };
    }
    const unsuccessful = progress.failed + progress.silent + progress.rolledBack;
    const finished = progress.verified + unsuccessful;
    if (unsuccessful * 10000 > limit * finished) {
      return { tag: "roll-back", val: `${unsuccessful} of ${finished} finished targets failed or fell silent` };
    }
    if (stage == null) return { tag: "enter-stage", val: 0 };
    const until = stay(situation);
    if (until != null) return { tag: "wait", val: until };
    return stage + 1 < plan.length ? { tag: "enter-stage", val: stage + 1 } : { tag: "complete" };
  },
};

// Until when to stay in this stage; nothing when it may be left.
function stay({ now, plan, stage, enteredAt, settledAt, promoted, health }) {
  const untilChanged = now + UNTIL_CHANGED_MS;
  if (settledAt == null) return untilChanged;
  const heldUntil = settledAt + plan[stage].hold;
  if (now < heldUntil && !promoted) return heldUntil;
  // An older verdict is about fewer targets and proves nothing for this stage.
  if (health.some(({ at }) => at < enteredAt)) return untilChanged;
  // A promotion is a person's answer to the warning.
  if (health.some(({ verdict }) => verdict.outcome === "warn") && !promoted) return untilChanged;
  return null;
}

// The host has held them against the schema.
function read(settings) {
  return { ...DEFAULTS, ...JSON.parse(settings) };
}
