// The gate `my-plugin`.
#include <stdlib.h>

#include "interlock.h"

static const char SCHEMA[] = {
#embed "settings.schema.json"
    , 0};

void exports_interlock_plugin_plugin_describe(interlock_plugin_types_description_t *ret) {
  ret->name = text("my-plugin");
  ret->version = text("0.1.0");
  ret->summary = text("Refuses artifacts that are larger than the operator allows.");
  ret->settings_schema = text("%s", SCHEMA);
  ret->evidence_sources = (plugin_list_string_t){0};
}

// What the schema cannot say.
void exports_interlock_plugin_plugin_check_settings(plugin_string_t *settings,
                                                    exports_interlock_plugin_plugin_list_settings_problem_t *ret) {
  (void)settings;
  *ret = (exports_interlock_plugin_plugin_list_settings_problem_t){0};
}

bool exports_interlock_plugin_gate_evaluate(interlock_plugin_types_change_t *change, plugin_string_t *settings,
                                            uint64_t now, interlock_plugin_types_verdict_t *ret,
                                            interlock_plugin_types_fault_t *err) {
  (void)now, (void)err;
  // The host has held them against the schema.
  json_t whole;
  uint64_t limit = 64 << 20;
  if (!json_read(settings->ptr, settings->len, &whole)) __builtin_trap();
  json_u64(json_get(whole, "max_bytes"), &limit);

  interlock_plugin_types_finding_t *findings = calloc(change->artifacts.len + 1, sizeof *findings);
  if (!findings) __builtin_trap();
  size_t count = 0;
  for (size_t at = 0; at < change->artifacts.len; at++) {
    const interlock_plugin_types_artifact_t *artifact = &change->artifacts.ptr[at];
    if (artifact->size_bytes <= limit) continue;
    findings[count++] = (interlock_plugin_types_finding_t){
        .code = text("artifact-too-large"),
        .severity = INTERLOCK_PLUGIN_TYPES_SEVERITY_CRITICAL,
        .message = text("`%t` has %u bytes; at most %u are allowed", artifact->name, artifact->size_bytes, limit),
        .subject = text("%t", artifact->digest),
    };
  }
  ret->outcome = count ? INTERLOCK_PLUGIN_TYPES_OUTCOME_FAIL : INTERLOCK_PLUGIN_TYPES_OUTCOME_PASS;
  ret->findings = (interlock_plugin_types_list_finding_t){findings, count};
  return true;
}
