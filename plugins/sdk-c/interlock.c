#include "interlock.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// Deeper documents are refused, so that the stack cannot run out.
#define DEPTH_MAX 128

static void *allocate(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  // The host turns this into a deny, and says that the memory was used up.
  if (!memory) __builtin_trap();
  return memory;
}

// Texts.

static size_t digits(uint64_t number, uint8_t *out) {
  size_t count = 1;
  for (uint64_t rest = number; rest >= 10; rest /= 10) count++;
  for (size_t at = count; out && at > 0; number /= 10) out[--at] = (uint8_t)('0' + number % 10);
  return count;
}

// Writes to `out`, or only counts when there is none.
static size_t format_to(uint8_t *out, const char *format, va_list arguments) {
  size_t len = 0;
  for (const char *at = format; *at; at++) {
    const void *bytes = at;
    size_t more = 1;
    plugin_string_t text;
    if (*at == '%') {
      switch (*++at) {
      case 's':
        bytes = va_arg(arguments, const char *);
        more = strlen(bytes);
        break;
      case 't':
        text = va_arg(arguments, plugin_string_t);
        bytes = text.ptr;
        more = text.len;
        break;
      case 'u':
        len += digits(va_arg(arguments, uint64_t), out ? out + len : NULL);
        continue;
      case '%':
        break;
      default:
        __builtin_trap();
      }
    }
    if (out && more) memcpy(out + len, bytes, more);
    len += more;
  }
  return len;
}

plugin_string_t text(const char *format, ...) {
  va_list counted, written;
  va_start(counted, format);
  va_copy(written, counted);
  plugin_string_t made = {.len = format_to(NULL, format, counted)};
  made.ptr = allocate(made.len);
  format_to(made.ptr, format, written);
  va_end(written);
  va_end(counted);
  return made;
}

bool text_is(plugin_string_t one, plugin_string_t other) {
  return one.len == other.len && (one.len == 0 || memcmp(one.ptr, other.ptr, one.len) == 0);
}

plugin_string_t text_cut(plugin_string_t whole, size_t characters) {
  for (size_t at = 0; at < whole.len; at++) {
    bool begins = (whole.ptr[at] & 0xC0) != 0x80;
    if (begins && characters-- == 0) return text("%t…", (plugin_string_t){whole.ptr, at});
  }
  return text("%t", whole);
}

// JSON.

typedef struct {
  const uint8_t *at;
  const uint8_t *end;
} cursor_t;

static void skip_space(cursor_t *in) {
  while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r')) in->at++;
}

static bool take(cursor_t *in, uint8_t byte) {
  if (in->at >= in->end || *in->at != byte) return false;
  in->at++;
  return true;
}

static bool take_word(cursor_t *in, const char *word) {
  size_t len = strlen(word);
  if ((size_t)(in->end - in->at) < len || memcmp(in->at, word, len) != 0) return false;
  in->at += len;
  return true;
}

static bool take_digits(cursor_t *in) {
  const uint8_t *from = in->at;
  while (in->at < in->end && *in->at >= '0' && *in->at <= '9') in->at++;
  return in->at > from;
}

static bool skip_number(cursor_t *in) {
  take(in, '-');
  if (!take(in, '0') && !take_digits(in)) return false;
  if (take(in, '.') && !take_digits(in)) return false;
  if (take(in, 'e') || take(in, 'E')) {
    if (!take(in, '+')) take(in, '-');
    return take_digits(in);
  }
  return true;
}

static bool take_hex(cursor_t *in, uint32_t *unit) {
  *unit = 0;
  for (int count = 0; count < 4; count++, in->at++) {
    if (in->at >= in->end) return false;
    uint8_t byte = *in->at, low = byte | 0x20;
    if (byte >= '0' && byte <= '9') *unit = *unit * 16 + (byte - '0');
    else if (low >= 'a' && low <= 'f') *unit = *unit * 16 + (low - 'a' + 10);
    else return false;
  }
  return true;
}

static bool skip_text(cursor_t *in) {
  if (!take(in, '"')) return false;
  while (in->at < in->end) {
    uint8_t byte = *in->at++;
    uint32_t unit;
    if (byte == '"') return true;
    if (byte < 0x20) return false;
    if (byte != '\\') continue;
    if (in->at >= in->end) return false;
    byte = *in->at++;
    if (byte == 'u' ? !take_hex(in, &unit) : !strchr("\"\\/bfnrt", byte) || byte == 0) return false;
  }
  return false;
}

static bool skip_value(cursor_t *in, int depth) {
  skip_space(in);
  if (depth > DEPTH_MAX || in->at >= in->end) return false;
  bool object = *in->at == '{';
  switch (*in->at) {
  case '{':
  case '[':
    in->at++;
    skip_space(in);
    if (take(in, object ? '}' : ']')) return true;
    do {
      skip_space(in);
      if (object) {
        if (!skip_text(in)) return false;
        skip_space(in);
        if (!take(in, ':')) return false;
      }
      if (!skip_value(in, depth + 1)) return false;
      skip_space(in);
    } while (take(in, ','));
    return take(in, object ? '}' : ']');
  case '"':
    return skip_text(in);
  case 't':
    return take_word(in, "true");
  case 'f':
    return take_word(in, "false");
  case 'n':
    return take_word(in, "null");
  default:
    return skip_number(in);
  }
}

// The value here, which is known to be good.
static json_t take_value(cursor_t *in) {
  skip_space(in);
  const uint8_t *from = in->at;
  if (!skip_value(in, 0)) return (json_t){0};
  return (json_t){from, (size_t)(in->at - from)};
}

bool json_read(const uint8_t *document, size_t len, json_t *value) {
  cursor_t in = {document, document + len};
  skip_space(&in);
  const uint8_t *from = in.at;
  if (!skip_value(&in, 0)) return false;
  *value = (json_t){from, (size_t)(in.at - from)};
  skip_space(&in);
  return in.at == in.end;
}

bool json_is_object(json_t value) { return value.len > 0 && *value.at == '{'; }

bool json_is_list(json_t value) { return value.len > 0 && *value.at == '['; }

json_t json_get(json_t object, const char *name) {
  json_t found = {0};
  if (!json_is_object(object)) return found;
  cursor_t in = {object.at + 1, object.at + object.len};
  plugin_string_t key, wanted = {(uint8_t *)name, strlen(name)};
  do {
    skip_space(&in);
    if (*in.at == '}') break;
    bool readable = json_text(take_value(&in), &key);
    skip_space(&in);
    take(&in, ':');
    json_t value = take_value(&in);
    if (readable && text_is(key, wanted)) {
      if (found.len) return (json_t){0};
      found = value;
    }
    skip_space(&in);
  } while (take(&in, ','));
  return found;
}

bool json_item(json_t *next, json_t *item) {
  if (next->len == 0 || (*next->at != '[' && *next->at != ',')) return false;
  cursor_t in = {next->at + 1, next->at + next->len};
  skip_space(&in);
  if (take(&in, ']')) return false;
  *item = take_value(&in);
  skip_space(&in);
  *next = (json_t){in.at, (size_t)(in.end - in.at)};
  return true;
}

bool json_u64(json_t value, uint64_t *number) {
  uint64_t read = 0;
  if (value.len == 0) return false;
  for (size_t at = 0; at < value.len; at++) {
    uint8_t byte = value.at[at];
    if (byte < '0' || byte > '9') return false;
    if (__builtin_mul_overflow(read, 10, &read) || __builtin_add_overflow(read, byte - '0', &read)) return false;
  }
  *number = read;
  return true;
}

bool json_bool(json_t value, bool *truth) {
  if (value.len == 0 || (*value.at != 't' && *value.at != 'f')) return false;
  *truth = *value.at == 't';
  return true;
}

static size_t put(uint8_t *out, uint32_t character) {
  if (character < 0x80) return out[0] = (uint8_t)character, 1;
  size_t more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  static const uint8_t lead[] = {0, 0xC0, 0xE0, 0xF0};
  out[0] = (uint8_t)(lead[more] | character >> (6 * more));
  for (size_t at = 1; at <= more; at++) out[at] = (uint8_t)(0x80 | (character >> (6 * (more - at)) & 0x3F));
  return more + 1;
}

// How many bytes the UTF-8 character here has; 0 when it is none.
static size_t utf8(const uint8_t *at, const uint8_t *end) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t len = *at < 0x80 ? 1 : *at >> 5 == 6 ? 2 : *at >> 4 == 14 ? 3 : *at >> 3 == 30 ? 4 : 0;
  if (len < 2) return len;
  if ((size_t)(end - at) < len) return 0;
  uint32_t character = *at & (0x7F >> len);
  for (size_t more = 1; more < len; more++) {
    if ((at[more] & 0xC0) != 0x80) return 0;
    character = character << 6 | (at[more] & 0x3F);
  }
  bool surrogate = character >= 0xD800 && character < 0xE000;
  return character < least[len] || surrogate || character > 0x10FFFF ? 0 : len;
}

// `\u00e4`, or two of them that are one character.
static bool take_escaped(cursor_t *in, uint32_t *character) {
  uint32_t low;
  if (!take_hex(in, character)) return false;
  if (*character >= 0xDC00 && *character < 0xE000) return false;
  if (*character < 0xD800 || *character >= 0xE000) return true;
  if (!take(in, '\\') || !take(in, 'u') || !take_hex(in, &low) || low < 0xDC00 || low >= 0xE000) return false;
  *character = 0x10000 + ((*character - 0xD800) << 10) + (low - 0xDC00);
  return true;
}

bool json_text(json_t value, plugin_string_t *out) {
  if (value.len < 2 || *value.at != '"') return false;
  cursor_t in = {value.at + 1, value.at + value.len - 1};
  // Escaped it is never shorter.
  *out = (plugin_string_t){allocate(value.len), 0};
  while (in.at < in.end) {
    if (*in.at != '\\') {
      size_t len = utf8(in.at, in.end);
      if (len == 0) return false;
      memcpy(out->ptr + out->len, in.at, len);
      out->len += len;
      in.at += len;
      continue;
    }
    in.at++;
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *name = strchr(names, *in.at++);
    uint32_t character = name ? (uint32_t)meanings[name - names] : 0;
    if (!name && !take_escaped(&in, &character)) return false;
    out->len += put(out->ptr + out->len, character);
  }
  return true;
}
