// A gate that asks for everything that a plugin does not get, and tells what came of it.
export const plugin = {
  describe: () => ({
    name: "looks-around",
    version: "0.1.0",
    summary: "Tells what it sees around it.",
    settingsSchema: '{"type":"object","additionalProperties":false}',
    evidenceSources: [],
  }),
  checkSettings: () => [],
};

export const gate = {
  evaluate() {
    const told = (code, look) => ({ code, severity: "info", message: String(look()), subject: "" });
    return {
      outcome: "pass",
      findings: [
        told("wall-clock", () => Date.now()),
        told("seeded-random", () => Math.random()),
        told("zone", () => new Date(0).getTimezoneOffset()),
      ],
    };
  },
};
