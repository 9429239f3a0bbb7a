// The strategy `my-plugin`.
#include <stdlib.h>

#include "interlock.h"

// The host asks again as soon as something changes, so this is a safety net and not a pace.
#define UNTIL_CHANGED_MS (60 * 60 * 1000)

static const char SCHEMA[] = {
#embed "settings.schema.json"
    , 0};

typedef struct {
  uint64_t first_bp, hold_secs, max_failure_bp;
} settings_t;

typedef exports_interlock_plugin_strategy_situation_t situation_t;
typedef exports_interlock_plugin_strategy_directive_t directive_t;

// The host has held them against the schema.
static settings_t read_settings(const plugin_string_t *document) {
  settings_t settings = {.first_bp = 1000, .hold_secs = 3600, .max_failure_bp = 500};
  json_t whole;
  if (!json_read(document->ptr, document->len, &whole)) __builtin_trap();
  json_u64(json_get(whole, "first_bp"), &settings.first_bp);
  json_u64(json_get(whole, "hold_secs"), &settings.hold_secs);
  json_u64(json_get(whole, "max_failure_bp"), &settings.max_failure_bp);
  return settings;
}

void exports_interlock_plugin_plugin_describe(interlock_plugin_types_description_t *ret) {
  ret->name = text("my-plugin");
  ret->version = text("0.1.0");
  ret->summary = text("Reaches a few targets first, then all.");
  ret->settings_schema = text("%s", SCHEMA);
  ret->evidence_sources = (plugin_list_string_t){0};
}

// What the schema cannot say.
void exports_interlock_plugin_plugin_check_settings(plugin_string_t *settings,
                                                    exports_interlock_plugin_plugin_list_settings_problem_t *ret) {
  (void)settings;
  *ret = (exports_interlock_plugin_plugin_list_settings_problem_t){0};
}

bool exports_interlock_plugin_strategy_plan(interlock_plugin_types_change_t *change,
                                            interlock_plugin_types_population_t *population, plugin_string_t *settings,
                                            exports_interlock_plugin_strategy_list_stage_t *ret,
                                            interlock_plugin_types_fault_t *err) {
  (void)change, (void)population, (void)err;
  settings_t set = read_settings(settings);
  exports_interlock_plugin_strategy_stage_t *stages = calloc(2, sizeof *stages);
  if (!stages) __builtin_trap();
  stages[0].name = text("first");
  stages[0].exposure.tag = EXPORTS_INTERLOCK_PLUGIN_STRATEGY_EXPOSURE_PERCENT;
  stages[0].exposure.val.percent = (uint32_t)set.first_bp;
  stages[1].name = text("all");
  stages[1].exposure.tag = EXPORTS_INTERLOCK_PLUGIN_STRATEGY_EXPOSURE_ALL;
  stages[0].hold = stages[1].hold = set.hold_secs * 1000;
  *ret = (exports_interlock_plugin_strategy_list_stage_t){stages, 2};
  return true;
}

static directive_t roll_back(plugin_string_t why) {
  return (directive_t){.tag = EXPORTS_INTERLOCK_PLUGIN_STRATEGY_DIRECTIVE_ROLL_BACK, .val.roll_back = why};
}

static directive_t enter(uint32_t stage) {
  return (directive_t){.tag = EXPORTS_INTERLOCK_PLUGIN_STRATEGY_DIRECTIVE_ENTER_STAGE, .val.enter_stage = stage};
}

static plugin_string_t reason(const interlock_plugin_types_list_finding_t *findings) {
  plugin_string_t all = text("");
  for (size_t at = 0; at < findings->len; at++) all = text("%t%s%t", all, at ? "; " : "", findings->ptr[at].message);
  return all;
}

// Whether to stay in this stage, and until when.
static bool stay(const situation_t *now, uint32_t stage, uint64_t *until) {
  *until = now->now + UNTIL_CHANGED_MS;
  if (!now->settled_at.is_some) return true;
  uint64_t held_until = now->settled_at.val + now->plan.ptr[stage].hold;
  if (now->now < held_until && !now->promoted) {
    *until = held_until;
    return true;
  }
  for (size_t at = 0; at < now->health.len; at++) {
    const exports_interlock_plugin_strategy_health_verdict_t *health = &now->health.ptr[at];
    // An older verdict is about fewer targets and proves nothing for this stage.
    if (now->entered_at.is_some && health->at < now->entered_at.val) return true;
    // A promotion is a person's answer to the warning.
    if (health->verdict.outcome == INTERLOCK_PLUGIN_TYPES_OUTCOME_WARN && !now->promoted) return true;
  }
  return false;
}

bool exports_interlock_plugin_strategy_advance(situation_t *now, directive_t *ret,
                                               interlock_plugin_types_fault_t *err) {
  settings_t set = read_settings(&now->settings);
  for (size_t at = 0; at < now->health.len; at++) {
    const exports_interlock_plugin_strategy_health_verdict_t *health = &now->health.ptr[at];
    if (health->verdict.outcome == INTERLOCK_PLUGIN_TYPES_OUTCOME_FAIL) {
      *ret = roll_back(text("health check `%t`: %t", health->check, reason(&health->verdict.findings)));
      return true;
    }
  }
  uint64_t unsuccessful = now->progress.failed + now->progress.silent + now->progress.rolled_back;
  uint64_t finished = now->progress.verified + unsuccessful, until;
  if ((unsigned __int128)unsuccessful * 10000 > (unsigned __int128)finished * set.max_failure_bp) {
    *ret = roll_back(text("%u of %u finished targets failed or fell silent", unsuccessful, finished));
  } else if (!now->stage.is_some) {
    *ret = enter(0);
  } else if (now->stage.val >= now->plan.len) {
    err->tag = INTERLOCK_PLUGIN_TYPES_FAULT_INTERNAL;
    err->val.internal = text("the plan has no stage %u", (uint64_t)now->stage.val);
    return false;
  } else if (stay(now, now->stage.val, &until)) {
    *ret = (directive_t){.tag = EXPORTS_INTERLOCK_PLUGIN_STRATEGY_DIRECTIVE_WAIT, .val.wait = until};
  } else if (now->stage.val + 1 < now->plan.len) {
    *ret = enter(now->stage.val + 1);
  } else {
    *ret = (directive_t){.tag = EXPORTS_INTERLOCK_PLUGIN_STRATEGY_DIRECTIVE_COMPLETE};
  }
  return true;
}
