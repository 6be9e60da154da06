/*
 * hearth.h is what authors of hearth plugins in C include. A plugin defines one object, `plugin`, and is built together
 * with hearth.c into one WebAssembly module:
 *
 *	static int collect(const char *address, hearth_writer *w) {
 *		hearth_sample(hearth_gauge(w, "acme_up", "Whether the thing answers.", NULL), 1, NULL);
 *		return 0;
 *	}
 *
 *	const hearth_plugin plugin = {.collect = collect};
 *
 * Functions that can fail return 0, or -1 (or NULL) after they have said why with hearth_fail or hearth_retry: pass that
 * on with `return -1`. An instance answers one call at a time, and nothing runs between calls. The contract beneath is
 * sdk/abi/ABI.md; README.md beside this file is the manual.
 */
#ifndef HEARTH_H
#define HEARTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEARTH_ABI "1.1"
#define HEARTH_ABI_MINOR 1

typedef struct hearth_settings hearth_settings;
typedef struct hearth_writer hearth_writer;
typedef struct hearth_family hearth_family;
typedef struct hearth_batch hearth_batch;

/* ---- The plugin ---- */

/* A function of PromQL, as the manifest has it. */
typedef struct {
	const char *name;
	/* Sets out of every series; the cells are HEARTH_MISSING before. */
	int (*compute)(hearth_batch *b);
} hearth_function;

/* What this program serves. What it does not serve is left out. */
typedef struct {
	/* Reads the operator's settings, once, before anything else. Without it any setting is an error. */
	int (*configure)(hearth_settings *s);
	/* Writes the metrics of one target, whose address is as the operator wrote it. */
	int (*collect)(const char *address, hearth_writer *w);
	const hearth_function *functions; /* the last one has no name */
} hearth_plugin;

extern const hearth_plugin plugin; /* defined by the author */

/* ---- Errors ---- */

#define HEARTH_INVALID_REQUEST "invalid_request" /* the settings or the request are wrong */
#define HEARTH_DENIED "denied"                   /* a right is missing, here or at the other end */
#define HEARTH_UNAUTHENTICATED "unauthenticated" /* the other end does not know who asks */
#define HEARTH_UNAVAILABLE "unavailable"         /* the other end has trouble */
#define HEARTH_TIMEOUT "timeout"                 /* no time left */
#define HEARTH_INTERNAL "internal"               /* a fault of the plugin */

/* Says why the call fails, for the operator, without secrets. Returns -1. */
int hearth_fail(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for an error after which the same call may succeed later; after_ms is how long to wait at least, or 0. */
int hearth_retry(const char *code, int64_t after_ms, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- Time ---- */

/* Milliseconds until the plugin should give up, a little before the host stops it; INT64_MAX if the host did not say. */
int64_t hearth_left_ms(void);

/* 0 while there is time, else fails with a timeout. Call it in long loops. */
int hearth_in_time(void);

/* ---- JSON ---- */

/* A value in a JSON text that was checked as a whole: it lies between the two. */
typedef struct {
	const char *at, *end;
} hearth_json;

/* Checks a text. Returns -1, without a message, if it is not JSON or nested more than 64 deep. */
int hearth_json_parse(const char *text, size_t n, hearth_json *out);

/* '{', '[', '"', '0' (a number), 't', 'f' or 'n' (null). */
char hearth_json_kind(hearth_json v);

/* Finds a member of an object; false if there is none, or v is no object. Of members of one name the last counts. */
bool hearth_json_member(hearth_json v, const char *key, hearth_json *out);

/* Steps through an array or object: *place is NULL at first. key may be NULL; for objects it gets the member's name. */
bool hearth_json_each(hearth_json v, const char **place, hearth_json *key, hearth_json *out);

/* The characters of a string as a new, zero-terminated UTF-8 text, for free(). U+0000 and halves of surrogate pairs
   become U+FFFD. NULL if v is no string. */
char *hearth_json_string(hearth_json v);

/* The number, or NaN if v is none. */
double hearth_json_number(hearth_json v);

/* ---- Settings ---- */

/* Settings are asked for by name; those that nobody asked for are errors, as are those of another type. The first error is
   kept and makes configure fail when it returns. Texts stay valid for ever. */
const char *hearth_setting_string(hearth_settings *s, const char *name, const char *standard);
double hearth_setting_number(hearth_settings *s, const char *name, double standard);
bool hearth_setting_bool(hearth_settings *s, const char *name, bool standard);

/* Any other setting, as arrays and objects; false if it is not there. */
bool hearth_setting_json(hearth_settings *s, const char *name, hearth_json *out);

/* ---- Metrics ---- */

/* A list of texts, for names and values of labels: HEARTH_LIST("method", "code"). NULL is the empty list. */
#define HEARTH_LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A family of metrics: a name, what it means, the names of its labels. Asked for again it is the same one; families come out
   whole, whatever the order of writing. Mistakes (a bad name, a wrong number of values) make the call fail. */
hearth_family *hearth_counter(hearth_writer *w, const char *name, const char *help, const char *const *labels);
hearth_family *hearth_gauge(hearth_writer *w, const char *name, const char *help, const char *const *labels);
hearth_family *hearth_untyped(hearth_writer *w, const char *name, const char *help, const char *const *labels);
hearth_family *hearth_histogram(hearth_writer *w, const char *name, const char *help, const char *const *labels);

/* Adds a value of a counter, gauge or untyped family, with the values of its labels. An empty value is no label. */
void hearth_sample(hearth_family *f, double v, const char *const *values);

typedef struct {
	double upper;   /* inclusive bound */
	uint64_t count; /* of observations at or below it */
} hearth_bucket;

/* Adds a histogram. Buckets rise in bound and count; the one for +Inf may be left out. */
void hearth_distribution(hearth_family *f, uint64_t count, double sum, const hearth_bucket *buckets, size_t n,
                         const char *const *values);

/* ---- What the host gives ---- */

enum { HEARTH_DEBUG = -4, HEARTH_INFO = 0, HEARTH_WARN = 4, HEARTH_ERROR = 8 };

/* Writes a line to hearth's log, under the plugin's name. */
void hearth_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A secret as a new text, for free(); NULL and the error `denied` if it is not granted. Don't keep it: it may change. */
char *hearth_secret(const char *name);

/* Connects to HOST:PORT on TCP; the host resolves the name. The manifest must ask for the address and the operator grant it.
   Returns a descriptor for the functions below, or -1. All of them give up when the call's time is over. */
int hearth_dial(const char *address);

/* Reads at most n bytes: how many there were, 0 at the end of the stream, or -1. */
long hearth_read(int fd, void *buffer, size_t n);

/* Writes all of n bytes. */
int hearth_write(int fd, const void *bytes, size_t n);

/* A connection stays open between calls until it is closed. */
void hearth_close(int fd);

/* ---- Functions of PromQL ---- */

/* An argument besides the data: numbers, or a text that does not end in a zero. */
typedef struct {
	const double *numbers; /* NULL if it is a text */
	const char *text;
	uint32_t n; /* numbers (1, or one for each step) or bytes */
} hearth_argument;

/* Many series and the steps at which a function is to be computed. All of it lies where the host has written it. */
struct hearth_batch {
	uint32_t series, steps;
	int64_t start; /* Unix milliseconds of the first step; of range vectors the end of its window */
	int64_t step;  /* milliseconds from step to step */

	/* Of a function of instant vectors: series rows of steps cells, some of which may be HEARTH_MISSING. Else NULL. */
	const double *values;

	/* Of a function of range vectors: a window is (end - range, end], in milliseconds. The samples of series i are
	   offsets[i] to offsets[i + 1] - 1: times in Unix milliseconds, rising, and what was measured. Else NULL. */
	int64_t range;
	const uint32_t *offsets;
	const int64_t *times;
	const double *samples;

	uint32_t arguments;
	const hearth_argument *argument;

	double *out; /* the result: series rows of steps cells */
};

/* No value, in data and in results. It is a NaN, so don't compare: ask hearth_is_missing. */
#define HEARTH_MISSING hearth_missing()

static inline double hearth_missing(void) {
	uint64_t bits = 0x7ff0000000000002;
	double v;
	__builtin_memcpy(&v, &bits, sizeof v);
	return v;
}

static inline bool hearth_is_missing(double v) {
	uint64_t bits;
	__builtin_memcpy(&bits, &v, sizeof bits);
	return bits == 0x7ff0000000000002;
}

/* Argument i, a scalar, at a step; standard if it was left out. */
static inline double hearth_number(const hearth_batch *b, uint32_t i, uint32_t step, double standard) {
	if (i >= b->arguments || b->argument[i].numbers == NULL)
		return standard;
	return b->argument[i].numbers[b->argument[i].n == 1 ? 0 : step];
}

/* The window of one series at one step. */
typedef struct {
	const int64_t *times;
	const double *samples;
	uint32_t n;    /* at least 1 */
	uint32_t step; /* which one */
	double *out;   /* where the result of this step goes */

	const hearth_batch *b; /* what follows is how far the walk has come */
	uint32_t series, next, lo, hi;
} hearth_window;

/* Walks over the windows of series i that have samples:
 *
 *	for (hearth_window w = hearth_windows(b, i); hearth_next(&w);)
 *		*w.out = mean(w.samples, w.n);
 */
static inline hearth_window hearth_windows(const hearth_batch *b, uint32_t i) {
	return (hearth_window){.b = b, .series = i, .lo = b->offsets[i], .hi = b->offsets[i]};
}

static inline bool hearth_next(hearth_window *w) {
	const hearth_batch *b = w->b;
	const uint32_t end = b->offsets[w->series + 1];
	while (w->next < b->steps) {
		const uint32_t k = w->next++;
		const int64_t at = b->start + k * b->step;
		while (w->hi < end && b->times[w->hi] <= at)
			w->hi++;
		while (w->lo < w->hi && b->times[w->lo] <= at - b->range)
			w->lo++;
		if (w->lo == w->hi)
			continue;
		w->times = b->times + w->lo;
		w->samples = b->samples + w->lo;
		w->n = w->hi - w->lo;
		w->step = k;
		w->out = b->out + (size_t)w->series * b->steps + k;
		return true;
	}
	return false;
}

#endif
