// The health check `my-plugin`.
#include <stdlib.h>

#include "interlock.h"

#define ERRORS "errors"

static const char SCHEMA[] = {
#embed "settings.schema.json"
    , 0};

typedef struct {
  uint64_t max_error_bp, window_secs;
} settings_t;

// The host has held them against the schema.
static settings_t read_settings(const plugin_string_t *document) {
  settings_t settings = {.max_error_bp = 100, .window_secs = 900};
  json_t whole;
  if (!json_read(document->ptr, document->len, &whole)) __builtin_trap();
  json_u64(json_get(whole, "max_error_bp"), &settings.max_error_bp);
  json_u64(json_get(whole, "window_secs"), &settings.window_secs);
  return settings;
}

void exports_interlock_plugin_plugin_describe(interlock_plugin_types_description_t *ret) {
  ret->name = text("my-plugin");
  ret->version = text("0.1.0");
  ret->summary = text("Fails when treated targets report more errors than the operator allows.");
  ret->settings_schema = text("%s", SCHEMA);
  ret->evidence_sources = (plugin_list_string_t){0};
}

// What the schema cannot say.
void exports_interlock_plugin_plugin_check_settings(plugin_string_t *settings,
                                                    exports_interlock_plugin_plugin_list_settings_problem_t *ret) {
  (void)settings;
  *ret = (exports_interlock_plugin_plugin_list_settings_problem_t){0};
}

bool exports_interlock_plugin_health_needs(interlock_plugin_types_change_t *change, plugin_string_t *settings,
                                           exports_interlock_plugin_health_list_query_t *ret,
                                           interlock_plugin_types_fault_t *err) {
  (void)change, (void)err;
  exports_interlock_plugin_health_query_t *query = calloc(1, sizeof *query);
  if (!query) __builtin_trap();
  query->id = text(ERRORS);
  query->metric = text("error_rate");
  query->window = read_settings(settings).window_secs * 1000;
  query->aggregation = EXPORTS_INTERLOCK_PLUGIN_HEALTH_AGGREGATION_MEAN;
  *ret = (exports_interlock_plugin_health_list_query_t){query, 1};
  return true;
}

static void find(interlock_plugin_types_verdict_t *verdict, uint8_t outcome, uint8_t severity, plugin_string_t code,
                 plugin_string_t message) {
  interlock_plugin_types_finding_t *finding = calloc(1, sizeof *finding);
  if (!finding) __builtin_trap();
  *finding = (interlock_plugin_types_finding_t){code, severity, message, text(ERRORS)};
  *verdict = (interlock_plugin_types_verdict_t){outcome, {finding, 1}};
}

bool exports_interlock_plugin_health_judge(exports_interlock_plugin_health_list_observation_t *observations,
                                           plugin_string_t *settings, uint64_t now,
                                           interlock_plugin_types_verdict_t *ret, interlock_plugin_types_fault_t *err) {
  (void)now;
  uint64_t limit = read_settings(settings).max_error_bp;
  *ret = (interlock_plugin_types_verdict_t){.outcome = INTERLOCK_PLUGIN_TYPES_OUTCOME_PASS};
  for (size_t at = 0; at < observations->len; at++) {
    const exports_interlock_plugin_health_observation_t *observation = &observations->ptr[at];
    if (!text_is(observation->query.id, text(ERRORS))) continue;
    if (!observation->treatment.value.is_some) {
      find(ret, INTERLOCK_PLUGIN_TYPES_OUTCOME_WARN, INTERLOCK_PLUGIN_TYPES_SEVERITY_WARNING, text("errors-unknown"),
           text("no treated target has reported `error_rate` yet; wait for more"));
      return true;
    }
    // Not `rate > limit`: what is not a number is larger than nothing, and must not pass.
    bool good = observation->treatment.value.val * 10000 <= (double)limit;
    if (!good) {
      find(ret, INTERLOCK_PLUGIN_TYPES_OUTCOME_FAIL, INTERLOCK_PLUGIN_TYPES_SEVERITY_CRITICAL, text("errors-too-high"),
           text("treated targets report more than %u basis points of errors", limit));
    }
    return true;
  }
  err->tag = INTERLOCK_PLUGIN_TYPES_FAULT_EVIDENCE;
  err->val.evidence = text("the host did not answer the query `" ERRORS "`");
  return false;
}
