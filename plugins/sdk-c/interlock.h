// What every plugin in C needs and libc does not have: texts with a length, and JSON.
//
// A call runs in a fresh sandbox that is gone afterwards, so nothing here is ever freed. What a plugin answers with must
// come from `text`, `malloc` or `calloc`, and stand in the answer once: the bindings free it.
#ifndef INTERLOCK_H
#define INTERLOCK_H

#include "plugin.h"

// A new text. `%s` takes a C string, `%t` a `plugin_string_t`, `%u` a `uint64_t`, `%%` nothing.
plugin_string_t text(const char *format, ...);
bool text_is(plugin_string_t one, plugin_string_t other);
// The first characters (not bytes) of a text, and an ellipsis when there are more.
plugin_string_t text_cut(plugin_string_t whole, size_t characters);

// A value as it stands in its document. Without a byte it is not there. What cannot be read leaves its target as it was,
// so that a default can stand there before.
typedef struct {
  const uint8_t *at;
  size_t len;
} json_t;

// The one value of a document. False when it is no JSON, goes too deep, or something follows.
bool json_read(const uint8_t *document, size_t len, json_t *value);
// A field of an object. Not there when the object has none or several of this name, or is no object.
json_t json_get(json_t object, const char *name);
// The items of a list: begin with `json_t next = list;` and call until false.
bool json_item(json_t *next, json_t *item);
bool json_is_object(json_t value);
bool json_is_list(json_t value);
// A whole number of 64 bits. False for anything else, also for 1.0.
bool json_u64(json_t value, uint64_t *number);
bool json_bool(json_t value, bool *truth);
// A text, with its escapes resolved. False for anything else, also for half of a surrogate pair and what is not UTF-8.
bool json_text(json_t value, plugin_string_t *out);

#endif
