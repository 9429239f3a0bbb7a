// The gate `storage-fit`: every artifact fits into the storage of the smallest device.
#include <stdlib.h>

#include "interlock.h"

#define MODELS_SHOWN 3
#define NAME_CHARS 24

static const char SCHEMA[] = {
#embed "settings.schema.json"
    , 0};

typedef struct {
  uint64_t storage_bytes, reserve_bytes, warn_bp;
  json_t exempt;
} settings_t;

// What the host knows of an artifact, as far as this gate reads it.
typedef struct {
  plugin_string_t name, version, digest;
  uint64_t size;
  json_t models;
} facts_t;

typedef interlock_plugin_types_artifact_t artifact_t;
typedef interlock_plugin_types_fault_t fault_t;
typedef interlock_plugin_types_finding_t finding_t;
typedef exports_interlock_plugin_plugin_list_settings_problem_t problems_t;

static bool exempts(const settings_t *settings, plugin_string_t name) {
  json_t next = settings->exempt, item;
  plugin_string_t exempt;
  while (json_item(&next, &item)) {
    if (json_text(item, &exempt) && text_is(exempt, name)) return true;
  }
  return false;
}

// The host has held them against the schema; what is left out stays as it is by default.
static settings_t read_settings(plugin_string_t document) {
  settings_t settings = {.storage_bytes = 64 << 20, .reserve_bytes = 0, .warn_bp = 9000};
  json_t whole;
  if (!json_read(document.ptr, document.len, &whole)) __builtin_trap();
  json_u64(json_get(whole, "storage_bytes"), &settings.storage_bytes);
  json_u64(json_get(whole, "reserve_bytes"), &settings.reserve_bytes);
  json_u64(json_get(whole, "warn_bp"), &settings.warn_bp);
  settings.exempt = json_get(whole, "exempt");
  return settings;
}

static void add_problem(problems_t *found, plugin_string_t path, plugin_string_t message) {
  found->ptr = realloc(found->ptr, (found->len + 1) * sizeof *found->ptr);
  if (!found->ptr) __builtin_trap();
  found->ptr[found->len++] = (interlock_plugin_types_settings_problem_t){path, message};
}

static problems_t problems(const settings_t *settings) {
  problems_t found = {0};
  uint64_t storage = settings->storage_bytes, reserve = settings->reserve_bytes;
  if (reserve >= storage) {
    add_problem(&found, text("/reserve_bytes"),
                text("%u in reserve leave nothing of %u; reserve less", reserve, storage));
  }
  json_t next = settings->exempt, item;
  plugin_string_t name;
  for (uint64_t index = 0; json_item(&next, &item); index++) {
    if (json_text(item, &name) && name.len == 0) {
      add_problem(&found, text("/exempt/%u", index), text("an artifact has a name; write it or leave this out"));
    }
  }
  return found;
}

static bool evidence_fault(fault_t *fault, plugin_string_t message) {
  *fault = (fault_t){.tag = INTERLOCK_PLUGIN_TYPES_FAULT_EVIDENCE, .val.evidence = message};
  return false;
}

static plugin_string_t shown(plugin_string_t name) { return text_cut(name, NAME_CHARS); }

// Nothing when the facts are good, otherwise what is wrong with them.
static const char *parse_facts(const uint8_t *document, size_t len, facts_t *facts) {
  json_t whole, item;
  plugin_string_t model;
  if (!json_read(document, len, &whole)) return "no JSON";
  if (!json_text(json_get(whole, "name"), &facts->name)) return "`name` is no text";
  if (!json_text(json_get(whole, "version"), &facts->version)) return "`version` is no text";
  if (!json_text(json_get(whole, "digest"), &facts->digest)) return "`digest` is no text";
  if (!json_u64(json_get(whole, "size"), &facts->size)) return "`size` is no number of bytes";
  facts->models = json_get(whole, "models");
  if (!json_is_list(facts->models)) return "`models` is no list";
  for (json_t next = facts->models; json_item(&next, &item);) {
    if (!json_text(item, &model)) return "`models` has something that is no text";
  }
  return NULL;
}

static bool read_facts(const artifact_t *artifact, facts_t *facts, fault_t *fault) {
  plugin_string_t source = text("artifact");
  plugin_string_t key = text("%t@%t@%t", artifact->name, artifact->version, artifact->digest);
  interlock_plugin_evidence_document_t document;
  interlock_plugin_evidence_refusal_t refusal;
  if (!interlock_plugin_evidence_fetch(&source, &key, &document, &refusal)) {
    switch (refusal.tag) {
    case INTERLOCK_PLUGIN_EVIDENCE_REFUSAL_DENIED:
      return evidence_fault(fault, text("this plugin may not read `%t`: %t", source, refusal.val.denied));
    case INTERLOCK_PLUGIN_EVIDENCE_REFUSAL_UNAVAILABLE:
      return evidence_fault(fault, text("`%t` did not answer for `%t`: %t", source, key, refusal.val.unavailable));
    default:
      return evidence_fault(
          fault, text("`%t` has nothing under `%t`; provide it and run the gate again", source, key));
    }
  }
  const char *wrong = parse_facts(document.content.ptr, document.content.len, facts);
  if (wrong) {
    return evidence_fault(
        fault, text("`%t` answered for `%t` with something unreadable: %s", source, key, wrong));
  }
  bool same = text_is(facts->name, artifact->name) && text_is(facts->version, artifact->version) &&
              text_is(facts->digest, artifact->digest);
  if (!same) {
    return evidence_fault(fault, text("asked about artifact `%t`, but the answer is about `%t`",
                                      shown(artifact->name), shown(facts->name)));
  }
  return true;
}

// `pump-x2`, `pump-x3`, `pump-x4` and 2 more; in the order of the evidence.
static plugin_string_t models(json_t list) {
  plugin_string_t named = text(""), model;
  json_t item;
  uint64_t count = 0;
  for (json_t next = list; json_item(&next, &item); count++) {
    if (count < MODELS_SHOWN && json_text(item, &model)) {
      named = text("%t%s`%t`", named, count ? ", " : "", shown(model));
    }
  }
  if (count == 0) return text("devices");
  return count > MODELS_SHOWN ? text("%t and %u more", named, count - MODELS_SHOWN) : named;
}

// Whether there is a finding.
static bool judge(const facts_t *facts, const settings_t *settings, finding_t *finding) {
  plugin_string_t name = shown(facts->name);
  uint64_t size = facts->size, room = settings->storage_bytes - settings->reserve_bytes;
  if (size > room) {
    finding->code = text("storage-exceeded");
    finding->severity = INTERLOCK_PLUGIN_TYPES_SEVERITY_CRITICAL;
    finding->message = text("`%t` needs %u bytes, but %t have room for %u; make it smaller", name, size,
                            models(facts->models), room);
    return true;
  }
  // Both products may be larger than 64 bits.
  unsigned __int128 parts = (unsigned __int128)size * 10000;
  if (parts > (unsigned __int128)room * settings->warn_bp) {
    finding->code = text("storage-nearly-full");
    finding->severity = INTERLOCK_PLUGIN_TYPES_SEVERITY_WARNING;
    finding->message = text("`%t` takes %u of 10000 parts of the room; plan for the next release", name,
                            (uint64_t)(parts / room));
    return true;
  }
  return false;
}

void exports_interlock_plugin_plugin_describe(exports_interlock_plugin_plugin_description_t *ret) {
  plugin_string_t *sources = malloc(sizeof *sources);
  if (!sources) __builtin_trap();
  sources[0] = text("artifact");
  ret->name = text("storage-fit");
  ret->version = text("0.1.0");
  ret->summary = text("Refuses artifacts that do not fit into the storage of the smallest device.");
  ret->settings_schema = text("%s", SCHEMA);
  ret->evidence_sources = (plugin_list_string_t){sources, 1};
}

void exports_interlock_plugin_plugin_check_settings(plugin_string_t *json, problems_t *ret) {
  settings_t settings = read_settings(*json);
  *ret = problems(&settings);
}

bool exports_interlock_plugin_gate_evaluate(interlock_plugin_types_change_t *change, plugin_string_t *json,
                                            uint64_t now, interlock_plugin_types_verdict_t *ret, fault_t *err) {
  (void)now;
  settings_t settings = read_settings(*json);
  problems_t wrong = problems(&settings);
  // Asked again although the host checks before: a gate must not act on settings that it would refuse.
  if (wrong.len) {
    *err = (fault_t){.tag = INTERLOCK_PLUGIN_TYPES_FAULT_SETTINGS,
                     .val.settings = text("`%t`: %t", wrong.ptr[0].path, wrong.ptr[0].message)};
    return false;
  }
  // At most one finding for each artifact, and one when there is none.
  finding_t *findings = calloc(change->artifacts.len + 1, sizeof *findings);
  if (!findings) __builtin_trap();
  size_t count = 0;
  if (change->artifacts.len == 0 && change->kind == INTERLOCK_PLUGIN_TYPES_CHANGE_KIND_RELEASE) {
    findings[count++] = (finding_t){
        text("artifact-missing"), INTERLOCK_PLUGIN_TYPES_SEVERITY_WARNING,
        text("the release has no artifact, so there is nothing to judge; is that meant?"), text("/artifacts")};
  }
  for (size_t at = 0; at < change->artifacts.len; at++) {
    const artifact_t *artifact = &change->artifacts.ptr[at];
    finding_t *finding = &findings[count];
    facts_t facts;
    if (exempts(&settings, artifact->name)) {
      finding->code = text("artifact-exempt");
      finding->severity = INTERLOCK_PLUGIN_TYPES_SEVERITY_INFO;
      finding->message = text("`%t` is not judged: the settings exempt it", shown(artifact->name));
    } else {
      if (!read_facts(artifact, &facts, err)) return false;
      if (!judge(&facts, &settings, finding)) continue;
    }
    finding->subject = text("%t", artifact->digest);
    count++;
  }
  if (change->artifacts.len || change->kind != INTERLOCK_PLUGIN_TYPES_CHANGE_KIND_RELEASE) {
    plugin_string_t line = text("judged %u artifacts", (uint64_t)change->artifacts.len);
    interlock_plugin_logging_log(INTERLOCK_PLUGIN_LOGGING_LEVEL_DEBUG, &line);
  }
  uint8_t worst = INTERLOCK_PLUGIN_TYPES_SEVERITY_INFO;
  for (size_t at = 0; at < count; at++) {
    if (findings[at].severity > worst) worst = findings[at].severity;
  }
  static const uint8_t outcomes[] = {INTERLOCK_PLUGIN_TYPES_OUTCOME_PASS, INTERLOCK_PLUGIN_TYPES_OUTCOME_WARN,
                                     INTERLOCK_PLUGIN_TYPES_OUTCOME_FAIL};
  *ret = (interlock_plugin_types_verdict_t){outcomes[worst], {findings, count}};
  return true;
}
