/* hearth.c is the other half of hearth.h: the exports of the plugin ABI, and what they need. sdk/abi/ABI.md is the contract. */
#include "hearth.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(name) __attribute__((import_module("hearth_v1"), import_name(name)))

#define MAX_BYTES (16u << 20) /* of a request and of a result */

/* ---- Memory ---- */

/* Memory that can't be had ends the instance: the host says why and makes another one. */
static void *need(void *p) {
	if (p == NULL) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return p;
}

/* A text that grows. */
typedef struct {
	char *bytes;
	size_t n, room;
} text;

static void put(text *t, const void *p, size_t n) {
	if (n > t->room - t->n) {
		t->room = 2 * t->room + n + 64;
		t->bytes = need(realloc(t->bytes, t->room));
	}
	if (n > 0)
		memcpy(t->bytes + t->n, p, n);
	t->n += n;
}

static void puts_(text *t, const char *s) { put(t, s, strlen(s)); }

/* ---- Characters ---- */

/* How many bytes the UTF-8 character at p has; 0 if it is none. */
static size_t character(const unsigned char *p, size_t n) {
	if (p[0] < 0x80)
		return 1;
	size_t k = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || k > n)
		return 0;
	for (size_t i = 1; i < k; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return k;
}

static void put_character(text *t, uint32_t c) {
	if (c == 0 || (c >= 0xd800 && c < 0xe000))
		c = 0xfffd;
	char b[4];
	if (c < 0x80) {
		b[0] = (char)c;
		put(t, b, 1);
		return;
	}
	size_t k = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = k - 1; i > 0; i--, c >>= 6)
		b[i] = (char)(0x80 | (c & 0x3f));
	b[0] = (char)((0xf00 >> k & 0xf0) | c);
	put(t, b, k);
}

enum escapes { HELP, LABEL, JSON };

/* Adds s with what the place needs escaped; bytes that are no UTF-8 become U+FFFD. */
static void put_escaped(text *t, const char *s, enum escapes e) {
	const unsigned char *p = (const unsigned char *)s;
	for (size_t n = strlen(s); n > 0;) {
		size_t k = character(p, n);
		if (k == 0)
			put_character(t, 0xfffd), k = 1;
		else if (*p == '\\')
			puts_(t, "\\\\");
		else if (*p == '\n')
			puts_(t, "\\n");
		else if (*p == '"' && e != HELP)
			puts_(t, "\\\"");
		else if (*p < 0x20 && e == JSON) {
			char u[8];
			put(t, u, (size_t)snprintf(u, sizeof u, "\\u%04x", *p));
		} else
			put(t, p, k);
		p += k, n -= k;
	}
}

/* ---- Errors ---- */

static struct {
	const char *code; /* NULL: there is none */
	char message[1024];
	bool retryable;
	int64_t after_ms;
} failure;

static int fail(const char *code, bool retryable, int64_t after_ms, const char *format, va_list args) {
	failure.code = code;
	failure.retryable = retryable;
	failure.after_ms = after_ms;
	vsnprintf(failure.message, sizeof failure.message, format, args);
	return -1;
}

int hearth_fail(const char *code, const char *format, ...) {
	va_list args;
	va_start(args, format);
	fail(code, false, 0, format, args);
	va_end(args);
	return -1;
}

int hearth_retry(const char *code, int64_t after_ms, const char *format, ...) {
	va_list args;
	va_start(args, format);
	fail(code, true, after_ms, format, args);
	va_end(args);
	return -1;
}

/* ---- Time ---- */

static int64_t deadline; /* milliseconds of now_ms; 0 if there is none */

static int64_t now_ms(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Leaves time to answer. */
static void give(double ms) {
	deadline = ms > 0 && ms < 86400e3 ? now_ms() + (int64_t)(ms - fmin(ms / 20, 100)) : 0;
}

int64_t hearth_left_ms(void) {
	if (deadline == 0)
		return INT64_MAX;
	int64_t left = deadline - now_ms();
	return left > 0 ? left : 0;
}

int hearth_in_time(void) { return hearth_left_ms() > 0 ? 0 : hearth_retry(HEARTH_TIMEOUT, 0, "no time left"); }

/* ---- JSON: RFC 8259 ---- */

typedef struct {
	const char *p, *end;
} scan;

static void space(scan *s) {
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool take(scan *s, char c) {
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static size_t digits(scan *s) {
	const char *from = s->p;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return (size_t)(s->p - from);
}

static int hex4(const char *p, const char *end) {
	int v = 0;
	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static bool skip_string(scan *s) {
	if (!take(s, '"'))
		return false;
	while (s->p < s->end) {
		unsigned char c = (unsigned char)*s->p;
		if (c == '"') {
			s->p++;
			return true;
		}
		if (c < 0x20)
			return false;
		if (c != '\\') {
			size_t k = character((const unsigned char *)s->p, (size_t)(s->end - s->p));
			s->p += k > 0 ? k : 1; /* read as U+FFFD */
			continue;
		}
		if (++s->p == s->end)
			return false;
		if (*s->p == 'u') {
			if (hex4(s->p + 1, s->end) < 0)
				return false;
			s->p += 5;
		} else if (strchr("\"\\/bfnrt", *s->p) != NULL && *s->p != 0)
			s->p++;
		else
			return false;
	}
	return false;
}

static bool skip_number(scan *s) {
	take(s, '-');
	if (!take(s, '0') && digits(s) == 0)
		return false;
	if (take(s, '.') && digits(s) == 0)
		return false;
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+'))
			take(s, '-');
		return digits(s) > 0;
	}
	return true;
}

static bool skip_word(scan *s, const char *word) {
	size_t n = strlen(word);
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

static bool skip_value(scan *s, int depth) {
	space(s);
	if (s->p == s->end)
		return false;
	char close = *s->p == '{' ? '}' : ']';
	switch (*s->p) {
	case '"':
		return skip_string(s);
	case 't':
		return skip_word(s, "true");
	case 'f':
		return skip_word(s, "false");
	case 'n':
		return skip_word(s, "null");
	case '{':
	case '[':
		break;
	default:
		return skip_number(s);
	}
	if (depth == 0)
		return false;
	s->p++;
	space(s);
	if (take(s, close))
		return true;
	for (;;) {
		space(s);
		if (close == '}') {
			if (!skip_string(s))
				return false;
			space(s);
			if (!take(s, ':'))
				return false;
		}
		if (!skip_value(s, depth - 1))
			return false;
		space(s);
		if (take(s, close))
			return true;
		if (!take(s, ','))
			return false;
	}
}

enum { DEPTH = 64 };

int hearth_json_parse(const char *t, size_t n, hearth_json *out) {
	scan s = {t, t + n};
	space(&s);
	out->at = s.p;
	if (!skip_value(&s, DEPTH))
		return -1;
	out->end = s.p;
	space(&s);
	return s.p == s.end ? 0 : -1;
}

char hearth_json_kind(hearth_json v) { return *v.at == '-' || (*v.at >= '0' && *v.at <= '9') ? '0' : *v.at; }

bool hearth_json_each(hearth_json v, const char **place, hearth_json *key, hearth_json *out) {
	char kind = hearth_json_kind(v);
	if (kind != '{' && kind != '[')
		return false;
	scan s = {*place == NULL ? v.at + 1 : *place, v.end};
	space(&s);
	take(&s, ',');
	space(&s);
	if (s.p >= v.end - 1)
		return false;
	if (kind == '{') {
		hearth_json k = {s.p, NULL};
		skip_string(&s);
		k.end = s.p;
		if (key != NULL)
			*key = k;
		space(&s);
		take(&s, ':');
		space(&s);
	}
	out->at = s.p;
	skip_value(&s, DEPTH);
	out->end = *place = s.p;
	return true;
}

bool hearth_json_member(hearth_json v, const char *name, hearth_json *out) {
	if (hearth_json_kind(v) != '{')
		return false;
	bool found = false;
	hearth_json key, value;
	for (const char *at = NULL; hearth_json_each(v, &at, &key, &value);) {
		char *k = hearth_json_string(key);
		if (strcmp(k, name) == 0)
			*out = value, found = true;
		free(k);
	}
	return found;
}

char *hearth_json_string(hearth_json v) {
	if (hearth_json_kind(v) != '"')
		return NULL;
	text t = {0};
	const char *end = v.end - 1;
	for (const char *p = v.at + 1; p < end;) {
		if (*p != '\\') {
			size_t k = character((const unsigned char *)p, (size_t)(end - p));
			if (k > 0)
				put(&t, p, k);
			else
				put_character(&t, 0xfffd), k = 1;
			p += k;
			continue;
		}
		if (p[1] != 'u') {
			static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
			const char *at = strchr(from, p[1]);
			put(&t, at != NULL ? to + (at - from) : p + 1, 1);
			p += 2;
			continue;
		}
		uint32_t c = (uint32_t)hex4(p + 2, end);
		p += 6;
		if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
			uint32_t low = (uint32_t)hex4(p + 2, end);
			if (low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
				p += 6;
			}
		}
		put_character(&t, c);
	}
	put(&t, "", 1);
	return t.bytes;
}

double hearth_json_number(hearth_json v) {
	char b[400];
	size_t n = (size_t)(v.end - v.at);
	if (hearth_json_kind(v) != '0' || n >= sizeof b)
		return NAN;
	memcpy(b, v.at, n);
	b[n] = 0;
	return strtod(b, NULL);
}

/* ---- Settings ---- */

enum { MOST_SETTINGS = 64 };

struct hearth_settings {
	hearth_json object;
	const char *asked[MOST_SETTINGS];
	int n;
	char error[256]; /* the first */
};

static void setting_error(hearth_settings *s, const char *format, const char *name) {
	if (s->error[0] == 0)
		snprintf(s->error, sizeof s->error, format, name);
}

bool hearth_setting_json(hearth_settings *s, const char *name, hearth_json *out) {
	if (s->n == MOST_SETTINGS)
		setting_error(s, "%s is one too many for the SDK", name);
	else
		s->asked[s->n++] = name;
	return hearth_json_member(s->object, name, out) && hearth_json_kind(*out) != 'n';
}

const char *hearth_setting_string(hearth_settings *s, const char *name, const char *standard) {
	hearth_json v;
	if (!hearth_setting_json(s, name, &v))
		return standard;
	char *t = hearth_json_string(v);
	if (t == NULL)
		setting_error(s, "%s must be a string", name);
	return t == NULL ? standard : t;
}

double hearth_setting_number(hearth_settings *s, const char *name, double standard) {
	hearth_json v;
	if (!hearth_setting_json(s, name, &v))
		return standard;
	double x = hearth_json_number(v);
	if (!isfinite(x))
		setting_error(s, "%s must be a number", name);
	return isfinite(x) ? x : standard;
}

bool hearth_setting_bool(hearth_settings *s, const char *name, bool standard) {
	hearth_json v;
	if (!hearth_setting_json(s, name, &v))
		return standard;
	char kind = hearth_json_kind(v);
	if (kind != 't' && kind != 'f')
		setting_error(s, "%s must be true or false", name);
	return kind == 't' || (kind != 'f' && standard);
}

/* Finds the settings that nobody asked for. */
static void unknown_settings(hearth_settings *s) {
	hearth_json key, value;
	for (const char *at = NULL; hearth_json_each(s->object, &at, &key, &value);) {
		char *k = hearth_json_string(key);
		bool known = false;
		for (int i = 0; i < s->n; i++)
			known = known || strcmp(s->asked[i], k) == 0;
		if (!known)
			setting_error(s, plugin.configure == NULL ? "unknown setting \"%s\", this plugin takes none" : "unknown setting \"%s\"", k);
		free(k);
	}
}

/* ---- Metrics: text format 0.0.4 ---- */

static const char *const kinds[] = {"untyped", "counter", "gauge", "histogram"};
enum kind { UNTYPED, COUNTER, GAUGE, HISTOGRAM };

struct hearth_family {
	hearth_family *next; /* in order of names */
	hearth_writer *w;
	enum kind kind;
	char *name, *help;
	char **labels; /* ends in NULL */
	text lines;
};

struct hearth_writer {
	hearth_family *first;
	hearth_family *stray; /* made by mistakes, not written */
	char mistake[512];    /* the first */
};

static void mistake(hearth_writer *w, const char *format, ...) {
	if (w->mistake[0] != 0)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(w->mistake, sizeof w->mistake, format, args);
	va_end(args);
}

static size_t length(const char *const *list) {
	size_t n = 0;
	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

static bool valid_name(const char *s, bool colons) {
	if (*s >= '0' && *s <= '9')
		return false;
	const char *p = s;
	while (*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || (colons && *p == ':'))
		p++;
	return p > s && *p == 0;
}

static bool same_list(char *const *a, const char *const *b) {
	size_t n = length(b);
	if (length((const char *const *)a) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

static void check_names(hearth_writer *w, enum kind kind, const char *name, const char *const *labels) {
	if (!valid_name(name, true))
		mistake(w, "\"%s\" is not a metric name", name);
	for (size_t i = 0; i < length(labels); i++) {
		bool bad = !valid_name(labels[i], false) || strncmp(labels[i], "__", 2) == 0 || (kind == HISTOGRAM && strcmp(labels[i], "le") == 0);
		for (size_t j = 0; j < i; j++)
			bad = bad || strcmp(labels[i], labels[j]) == 0;
		if (bad)
			mistake(w, "%s: \"%s\" cannot be the name of a label", name, labels[i]);
	}
}

static hearth_family *family(hearth_writer *w, enum kind kind, const char *name, const char *help, const char *const *labels) {
	hearth_family **at = &w->first;
	while (*at != NULL && strcmp((*at)->name, name) < 0)
		at = &(*at)->next;
	if (*at != NULL && strcmp((*at)->name, name) == 0) {
		if ((*at)->kind == kind && same_list((*at)->labels, labels))
			return *at;
		mistake(w, "%s is a %s already, and cannot be a %s or have other labels as well", name, kinds[(*at)->kind], kinds[kind]);
		at = &w->stray;
	}
	check_names(w, kind, name, labels);
	size_t n = length(labels);
	hearth_family *f = need(calloc(1, sizeof *f));
	f->w = w, f->kind = kind, f->name = need(strdup(name)), f->help = need(strdup(help)), f->labels = need(calloc(n + 1, sizeof(char *)));
	for (size_t i = 0; i < n; i++)
		f->labels[i] = need(strdup(labels[i]));
	f->next = *at;
	*at = f;
	return f;
}

hearth_family *hearth_counter(hearth_writer *w, const char *name, const char *help, const char *const *labels) {
	return family(w, COUNTER, name, help, labels);
}

hearth_family *hearth_gauge(hearth_writer *w, const char *name, const char *help, const char *const *labels) {
	return family(w, GAUGE, name, help, labels);
}

hearth_family *hearth_untyped(hearth_writer *w, const char *name, const char *help, const char *const *labels) {
	return family(w, UNTYPED, name, help, labels);
}

hearth_family *hearth_histogram(hearth_writer *w, const char *name, const char *help, const char *const *labels) {
	return family(w, HISTOGRAM, name, help, labels);
}

/* The shortest text that reads back to the same number. */
static void put_number(text *t, double v) {
	char b[40];
	if (isnan(v))
		puts_(t, "NaN");
	else if (isinf(v))
		puts_(t, v > 0 ? "+Inf" : "-Inf");
	else if (v == trunc(v) && fabs(v) < 1e15 && (v != 0 || !signbit(v)))
		put(t, b, (size_t)snprintf(b, sizeof b, "%lld", (long long)v));
	else {
		int n = 0;
		for (int precision = 15; precision <= 17; precision++) {
			n = snprintf(b, sizeof b, "%.*g", precision, v);
			if (strtod(b, NULL) == v)
				break;
		}
		put(t, b, (size_t)n);
	}
}

/* Adds a line; bound is the value of the label le, if there is one. */
static void line(hearth_family *f, const char *suffix, const char *const *values, const double *bound, double v) {
	text *t = &f->lines;
	char before = '{';
	puts_(t, f->name);
	puts_(t, suffix);
	for (size_t i = 0; f->labels[i] != NULL; i++) {
		if (values[i][0] == 0)
			continue;
		put(t, &before, 1), before = ',';
		puts_(t, f->labels[i]);
		puts_(t, "=\"");
		put_escaped(t, values[i], LABEL);
		puts_(t, "\"");
	}
	if (bound != NULL) {
		put(t, &before, 1), before = ',';
		puts_(t, "le=\"");
		put_number(t, *bound);
		puts_(t, "\"");
	}
	puts_(t, before == '{' ? " " : "} ");
	put_number(t, v);
	puts_(t, "\n");
}

static bool fits(hearth_family *f, bool distribution, const char *const *values) {
	if ((f->kind == HISTOGRAM) != distribution)
		mistake(f->w, "%s is a %s and takes no %s", f->name, kinds[f->kind], distribution ? "histogram" : "plain sample");
	else if (length(values) != length((const char *const *)f->labels))
		mistake(f->w, "%s: %zu values for %zu labels", f->name, length(values), length((const char *const *)f->labels));
	else
		return true;
	return false;
}

void hearth_sample(hearth_family *f, double v, const char *const *values) {
	if (fits(f, false, values))
		line(f, "", values, NULL, v);
}

void hearth_distribution(hearth_family *f, uint64_t count, double sum, const hearth_bucket *buckets, size_t n, const char *const *values) {
	if (!fits(f, true, values))
		return;
	for (size_t i = 0; i < n; i++)
		if (buckets[i].count > count || (i > 0 && (!(buckets[i].upper > buckets[i - 1].upper) || buckets[i].count < buckets[i - 1].count))) {
			mistake(f->w, "%s: buckets must rise in bound and count, up to %llu", f->name, (unsigned long long)count);
			return;
		}
	for (size_t i = 0; i < n; i++)
		if (buckets[i].upper != INFINITY)
			line(f, "_bucket", values, &buckets[i].upper, (double)buckets[i].count);
	const double last = INFINITY;
	line(f, "_bucket", values, &last, (double)count);
	line(f, "_sum", values, NULL, sum);
	line(f, "_count", values, NULL, (double)count);
}

/* Adds the families that have samples to t, and frees all. */
static void finish(hearth_writer *w, text *t) {
	hearth_family *lists[] = {w->first, w->stray};
	for (int l = 0; l < 2; l++)
		for (hearth_family *f = lists[l], *next; f != NULL; f = next) {
			next = f->next;
			if (l == 0 && f->lines.n > 0) {
				if (f->help[0] != 0) {
					puts_(t, "# HELP "), puts_(t, f->name), puts_(t, " ");
					put_escaped(t, f->help, HELP);
					puts_(t, "\n");
				}
				puts_(t, "# TYPE "), puts_(t, f->name), puts_(t, " "), puts_(t, kinds[f->kind]), puts_(t, "\n");
				put(t, f->lines.bytes, f->lines.n);
			}
			for (char **l = f->labels; *l != NULL; l++)
				free(*l);
			free(f->labels), free(f->name), free(f->help), free(f->lines.bytes), free(f);
		}
	w->first = w->stray = NULL;
}

/* ---- Log and secrets ---- */

IMPORT("log") void host_log(int level, const char *line, size_t n);

void hearth_log(int level, const char *format, ...) {
	char b[4096];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(b, sizeof b, format, args);
	va_end(args);
	if (n > 0)
		host_log(level, b, (size_t)n < sizeof b ? (size_t)n : sizeof b - 1);
}

enum { MOST_SECRET = 1 << 20 };

char *hearth_secret(const char *name) {
	char path[300];
	if (name[0] == 0 || name[0] == '.' || strchr(name, '/') != NULL || strlen(name) > 255) {
		hearth_fail(HEARTH_INVALID_REQUEST, "secret: \"%s\" is not a name", name);
		return NULL;
	}
	snprintf(path, sizeof path, "/secrets/%s", name);
	int fd = open(path, O_RDONLY);
	if (fd < 0) {
		hearth_fail(HEARTH_DENIED, "secret \"%s\" is not granted: give it in the plugin's grant.secrets", name);
		return NULL;
	}
	text t = {0};
	char b[4096];
	ssize_t n;
	while ((n = read(fd, b, sizeof b)) > 0 && t.n <= MOST_SECRET)
		put(&t, b, (size_t)n);
	close(fd);
	if (n != 0) {
		free(t.bytes);
		hearth_fail(HEARTH_INTERNAL, "secret \"%s\": %s", name, n < 0 ? strerror(errno) : "it is larger than 1 MiB");
		return NULL;
	}
	if (t.n > 0 && t.bytes[t.n - 1] == '\n')
		t.n--;
	if (t.n > 0 && t.bytes[t.n - 1] == '\r')
		t.n--;
	put(&t, "", 1);
	return t.bytes;
}

/* ---- Network ---- */

IMPORT("net_attach") int net_attach(const char *token, size_t n, int fd);
IMPORT("net_status") int net_status(int fd, char *reason, size_t n);

/* Waits until a descriptor can be read or written. */
static int await(int fd, short events) {
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left = hearth_left_ms();
	if (left == 0)
		return hearth_in_time();
	int n = poll(&p, 1, left > INT32_MAX ? -1 : (int)left);
	if (n < 0)
		return hearth_fail(HEARTH_INTERNAL, "poll: %s", strerror(errno));
	return n == 0 ? hearth_in_time() : 0;
}

int hearth_dial(const char *address) {
	static uint32_t dials;
	char token[16], path[400], reason[512];
	int n = snprintf(token, sizeof token, "%u", ++dials);
	if ((size_t)snprintf(path, sizeof path, "/net/tcp/%s#%s", address, token) >= sizeof path)
		return hearth_fail(HEARTH_INVALID_REQUEST, "dial %.64s...: the address is too long", address);
	if (hearth_in_time() != 0)
		return -1;
	int fd = open(path, O_RDWR | O_NONBLOCK);
	if (fd < 0)
		switch (errno) {
		case EACCES:
			return hearth_fail(HEARTH_DENIED, "dial %s: permission denied", address);
		case EAGAIN:
			return hearth_retry(HEARTH_UNAVAILABLE, 0, "dial %s: too many connections are open", address);
		case EINVAL:
			return hearth_fail(HEARTH_INVALID_REQUEST, "dial %s: the address is not HOST:PORT", address);
		default:
			return hearth_fail(HEARTH_INTERNAL, "dial %s: %s", address, strerror(errno));
		}
	int errno_ = net_attach(token, (size_t)n, fd), status = -1;
	if (errno_ != 0) {
		close(fd);
		return hearth_fail(HEARTH_INTERNAL, "dial %s: %s", address, strerror(errno_));
	}
	while ((status = net_status(fd, reason, sizeof reason - 1)) == -1)
		if (await(fd, POLLOUT) != 0) {
			close(fd);
			return -1;
		}
	if (status == 0)
		return fd;
	close(fd);
	if (status < 0)
		return hearth_fail(HEARTH_INTERNAL, "dial %s: %s", address, strerror(-status));
	reason[status] = 0;
	return hearth_retry(HEARTH_UNAVAILABLE, 0, "dial %s: %s", address, reason);
}

long hearth_read(int fd, void *buffer, size_t n) {
	for (;;) {
		ssize_t k = read(fd, buffer, n);
		if (k >= 0)
			return k;
		if (errno != EAGAIN)
			return hearth_retry(HEARTH_UNAVAILABLE, 0, "read: the connection is broken (%s)", strerror(errno));
		if (await(fd, POLLIN) != 0)
			return -1;
	}
}

int hearth_write(int fd, const void *bytes, size_t n) {
	for (const char *p = bytes; n > 0;) {
		ssize_t k = write(fd, p, n);
		if (k >= 0)
			p += k, n -= (size_t)k;
		else if (errno != EAGAIN)
			return hearth_retry(HEARTH_UNAVAILABLE, 0, "write: the connection is broken (%s)", strerror(errno));
		else if (await(fd, POLLOUT) != 0)
			return -1;
	}
	return 0;
}

void hearth_close(int fd) { close(fd); }

/* ---- Batches ---- */

enum { HEAD = 56, MAGIC = 0x31544248, SAMPLES = 1 };
enum { NUMBER, NUMBERS, TEXT };

/* Takes n bytes, rounded up to a multiple of 8, of what is left of a batch; NULL if there are not as many. */
static const void *part(const char **p, const char *end, uint64_t n) {
	n = (n + 7) & ~7ull;
	if (n > (uint64_t)(end - *p))
		return NULL;
	const void *at = *p;
	*p += n;
	return at;
}

static int malformed(const char *why) { return hearth_fail(HEARTH_INVALID_REQUEST, "eval: malformed batch: %s", why); }

static int argument(const char **p, const char *end, uint32_t steps, hearth_argument *a) {
	const uint32_t *head = part(p, end, 8);
	if (head == NULL)
		return malformed("it ends too early");
	const uint32_t kind = head[0], n = head[1];
	*a = (hearth_argument){.n = n};
	const void *at = part(p, end, kind == TEXT ? n : 8ull * n);
	if (at == NULL)
		return malformed("it ends too early");
	if (kind == TEXT)
		a->text = at;
	else if ((kind == NUMBER && n == 1) || (kind == NUMBERS && n == steps))
		a->numbers = at;
	else
		return malformed("an argument has the wrong number of values");
	return 0;
}

/* Reads a batch where it lies; arguments is for free(), whatever is returned. */
static int read_batch(const char *in, size_t size, hearth_batch *b, const char **name, uint32_t *name_n, hearth_argument **arguments) {
	const char *p = in, *end = in + size;
	const uint32_t *u = part(&p, end, HEAD);
	*arguments = NULL;
	if (u == NULL || u[0] != MAGIC || size % 8 != 0)
		return malformed("it does not begin as one");
	const int64_t *i = (const int64_t *)u;
	const uint32_t flags = u[1], samples = u[10];
	*b = (hearth_batch){.series = u[2], .steps = u[3], .start = i[2], .step = i[3], .range = i[4], .arguments = u[11]};
	*name_n = u[12];
	if ((*name = part(&p, end, *name_n)) == NULL || b->arguments > size / 8)
		return malformed("it ends too early");
	*arguments = need(calloc(b->arguments + 1, sizeof **arguments));
	b->argument = *arguments;
	for (uint32_t k = 0; k < b->arguments; k++)
		if (argument(&p, end, b->steps, &(*arguments)[k]) != 0)
			return -1;
	const uint64_t cells = (uint64_t)b->series * b->steps;
	if (cells > MAX_BYTES / 8)
		return hearth_fail(HEARTH_INVALID_REQUEST, "eval: the result would have more than %u bytes", MAX_BYTES);
	if (flags == 0)
		b->values = part(&p, end, 8 * cells);
	else if (flags == SAMPLES) {
		b->offsets = part(&p, end, 4ull * b->series + 4);
		b->times = part(&p, end, 8ull * samples);
		b->samples = part(&p, end, 8ull * samples);
	} else
		return malformed("its flags are not known");
	if (flags == 0 ? b->values == NULL : b->offsets == NULL || b->times == NULL || b->samples == NULL)
		return malformed("it ends too early");
	if (p != end)
		return malformed("there is something after its end");
	if (flags == SAMPLES) {
		for (uint32_t k = 0; k < b->series; k++)
			if (b->offsets[k] > b->offsets[k + 1])
				return malformed("a series ends before it begins");
		if (b->offsets[0] != 0 || b->offsets[b->series] != samples)
			return malformed("its series are not all of its samples");
	}
	give(u[13]);
	return 0;
}

/* ---- Exports ---- */

static text request;  /* what the host writes */
static text result;   /* the bytes of the last one */
static double *cells; /* the same, of a batch */
static size_t cells_room;
static bool configured;

static uint64_t packed(const void *at, size_t n, bool failed) { return (uint64_t)failed << 63 | (uint64_t)(uintptr_t)at << 32 | (uint32_t)n; }

/* Answers with the bytes of result, or with the error if there is one. */
static uint64_t answer(int status) {
	if (status == 0 && result.n > MAX_BYTES)
		status = hearth_fail(HEARTH_INTERNAL, "the answer has %zu bytes, at most %u are allowed", result.n, MAX_BYTES);
	if (status == 0)
		return packed(result.bytes, result.n, false);
	if (failure.code == NULL)
		hearth_fail(HEARTH_INTERNAL, "the plugin failed and did not say why");
	result.n = 0;
	puts_(&result, "{\"code\":\"");
	put_escaped(&result, failure.code, JSON);
	puts_(&result, "\",\"message\":\"");
	put_escaped(&result, failure.message, JSON);
	puts_(&result, failure.retryable ? "\",\"retryable\":true" : "\"");
	if (failure.after_ms > 0) {
		char b[64];
		put(&result, b, (size_t)snprintf(b, sizeof b, ",\"retry_after_ms\":%lld", (long long)failure.after_ms));
	}
	puts_(&result, "}");
	return packed(result.bytes, result.n, true);
}

static void begin(void) {
	failure.code = NULL;
	deadline = 0;
	result.n = 0;
}

static int configure(hearth_json object) {
	if (configured)
		return hearth_fail(HEARTH_INVALID_REQUEST, "configured already");
	hearth_settings s = {.object = object};
	int status = plugin.configure != NULL ? plugin.configure(&s) : 0;
	if (status == 0)
		unknown_settings(&s);
	if (s.error[0] != 0)
		return hearth_fail(HEARTH_INVALID_REQUEST, "settings: %s", s.error);
	configured = status == 0;
	return status;
}

/* Configures a plugin whose host had no settings for it. */
static int ready(void) {
	static const char none[] = "{}";
	return configured ? 0 : configure((hearth_json){none, none + 2});
}

EXPORT("hearth_abi_v1") int hearth_abi_v1(void) { return HEARTH_ABI_MINOR; }

EXPORT("hearth_alloc") void *hearth_alloc(uint32_t n) {
	if (n > MAX_BYTES)
		return NULL;
	if (n + 8 > request.room) {
		free(request.bytes);
		request.room = n + 8;
		if ((request.bytes = malloc(request.room)) == NULL)
			request.room = 0;
	}
	return request.bytes;
}

EXPORT("hearth_describe") uint64_t hearth_describe(void) {
	begin();
	const hearth_function *f = plugin.functions;
	bool functions = f != NULL && f->name != NULL;
	puts_(&result, "{\"abi\":\"" HEARTH_ABI "\",\"sdk\":\"c\",\"kinds\":[");
	puts_(&result, plugin.collect != NULL ? "\"exporter\"" : "");
	puts_(&result, plugin.collect != NULL && functions ? "," : "");
	puts_(&result, functions ? "\"function\"],\"functions\":[" : "]");
	for (; functions && f->name != NULL; f++) {
		puts_(&result, f == plugin.functions ? "\"" : ",\"");
		put_escaped(&result, f->name, JSON);
		puts_(&result, "\"");
	}
	puts_(&result, functions ? "]}" : "}");
	return answer(0);
}

EXPORT("hearth_configure") uint64_t hearth_configure(const char *in, uint32_t n) {
	begin();
	hearth_json v;
	if (n == 0)
		return answer(ready());
	if (hearth_json_parse(in, n, &v) != 0 || hearth_json_kind(v) != '{')
		return answer(hearth_fail(HEARTH_INVALID_REQUEST, "settings: they are not a JSON object"));
	return answer(configure(v));
}

EXPORT("hearth_collect") uint64_t hearth_collect(const char *in, uint32_t n) {
	begin();
	if (plugin.collect == NULL)
		return answer(hearth_fail("unimplemented", "this plugin has no operation \"collect\""));
	hearth_json v, member;
	if (n == 0 || hearth_json_parse(in, n, &v) != 0 || hearth_json_kind(v) != '{')
		return answer(hearth_fail(HEARTH_INVALID_REQUEST, "collect: the request is not a JSON object"));
	if (ready() != 0)
		return answer(-1);
	if (hearth_json_member(v, "deadline_ms", &member))
		give(hearth_json_number(member));
	char *address = hearth_json_member(v, "address", &member) ? hearth_json_string(member) : NULL;
	hearth_writer w = {0};
	int status = plugin.collect(address != NULL ? address : "", &w);
	finish(&w, &result);
	free(address);
	if (status == 0 && w.mistake[0] != 0)
		status = hearth_fail(HEARTH_INTERNAL, "%s", w.mistake);
	return answer(status);
}

EXPORT("hearth_eval") uint64_t hearth_eval(const char *in, uint32_t n) {
	begin();
	const hearth_function *f = plugin.functions;
	if (f == NULL || f->name == NULL)
		return answer(hearth_fail("unimplemented", "this plugin has no operation \"eval\""));
	hearth_batch b;
	const char *name = NULL;
	uint32_t name_n = 0;
	hearth_argument *arguments;
	int status = read_batch(n > 0 ? in : "", n, &b, &name, &name_n, &arguments);
	while (status == 0 && f->name != NULL && (strlen(f->name) != name_n || memcmp(f->name, name, name_n) != 0))
		f++;
	if (status == 0 && f->name == NULL)
		status = hearth_fail("unknown_function", "this plugin has no function \"%.*s\"", (int)(name_n < 200 ? name_n : 200), name);
	if (status == 0)
		status = ready();
	if (status == 0) {
		const size_t all = (size_t)b.series * b.steps;
		if (all > cells_room) {
			free(cells);
			cells = need(malloc(all * sizeof *cells));
			cells_room = all;
		}
		for (size_t k = 0; k < all; k++)
			cells[k] = HEARTH_MISSING;
		b.out = cells;
		status = f->compute(&b);
	}
	free(arguments);
	return status != 0 ? answer(status) : packed(cells, (size_t)b.series * b.steps * sizeof *cells, false);
}
