/* guest does what the tests of the host ask for: the same in each language, so that all SDKs are held to the same vectors. */
#include <hearth.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	const char *name;
	double factor;
	bool loud;
	int parts;
} settings;

static int configure(hearth_settings *s) {
	settings.name = hearth_setting_string(s, "name", "nobody");
	settings.factor = hearth_setting_number(s, "factor", 2);
	settings.loud = hearth_setting_bool(s, "loud", false);
	hearth_json parts, part;
	if (hearth_setting_json(s, "parts", &parts))
		for (const char *at = NULL; hearth_json_each(parts, &at, NULL, &part);)
			settings.parts++;
	if (settings.factor < 0)
		return hearth_fail(HEARTH_INVALID_REQUEST, "settings: factor must not be negative");
	return 0;
}

/* What sdk/abi/testdata/exposition.txt has. */
static void exposition(hearth_writer *w) {
	hearth_family *odd = hearth_gauge(w, "odd_values", "Values that are hard to write:\n\"quotes\" and a back\\slash.", HEARTH_LIST("which"));
	hearth_sample(odd, 0.1 + 0.2, HEARTH_LIST("sum"));
	hearth_family *calls = hearth_counter(w, "calls_total", "Calls.", HEARTH_LIST("path", "code"));
	hearth_sample(calls, 3, HEARTH_LIST("C:\\tmp\n\"x\"", "200"));
	hearth_sample(odd, NAN, HEARTH_LIST("nan"));
	hearth_sample(odd, INFINITY, HEARTH_LIST("inf"));
	hearth_sample(odd, -INFINITY, HEARTH_LIST("less"));
	hearth_sample(odd, 1e300, HEARTH_LIST("large"));
	hearth_sample(odd, 5e-324, HEARTH_LIST("small"));
	hearth_sample(odd, 9007199254740993.0, HEARTH_LIST("exact"));
	hearth_sample(odd, -0.0, HEARTH_LIST("minus zero"));
	hearth_sample(odd, -12.5, HEARTH_LIST("\xff\xc3\xa9\xe2\x82"));
	hearth_sample(calls, 1e15, HEARTH_LIST("", "500"));
	hearth_sample(hearth_untyped(w, "unknown", "", NULL), 1, NULL);
	hearth_family *seconds = hearth_histogram(w, "call_seconds", "Time of a call.", HEARTH_LIST("path"));
	hearth_distribution(seconds, 5, 1.75, (hearth_bucket[]){{0.1, 1}, {1, 4}}, 2, HEARTH_LIST("/"));
	hearth_distribution(seconds, 0, 0, (hearth_bucket[]){{0.1, 0}, {INFINITY, 0}}, 2, HEARTH_LIST(""));
	hearth_gauge(w, "nothing", "A family without samples is left out.", NULL);
}

static int talk(const char *address, const char *words, hearth_writer *w) {
	int fd = hearth_dial(address);
	if (fd < 0)
		return -1;
	char b[64];
	long n, all = 0;
	if (hearth_write(fd, words, strlen(words)) == 0)
		while ((n = hearth_read(fd, b, sizeof b)) > 0)
			all += n;
	else
		n = -1;
	hearth_close(fd);
	if (n < 0)
		return -1;
	hearth_sample(hearth_gauge(w, "guest_answer_bytes", "Bytes of the answer.", NULL), (double)all, NULL);
	return 0;
}

static int collect(const char *address, hearth_writer *w) {
	if (strcmp(address, "exposition") == 0)
		exposition(w);
	else if (strcmp(address, "settings") == 0) {
		char factor[32], parts[16];
		snprintf(factor, sizeof factor, "%g", settings.factor);
		snprintf(parts, sizeof parts, "%d", settings.parts);
		hearth_sample(hearth_gauge(w, "guest_settings", "The settings.", HEARTH_LIST("name", "factor", "loud", "parts")), 1,
		              HEARTH_LIST(settings.name, factor, settings.loud ? "true" : "false", parts));
	} else if (strcmp(address, "secret") == 0) {
		char *secret = hearth_secret("key");
		if (secret == NULL)
			return -1;
		hearth_sample(hearth_gauge(w, "guest_secret", "The secret.", HEARTH_LIST("value")), 1, HEARTH_LIST(secret));
		free(secret);
	} else if (strcmp(address, "fail") == 0)
		return hearth_retry(HEARTH_UNAVAILABLE, 1500, "told to \"fail\",\nand so it does");
	else if (strcmp(address, "a bad name") == 0)
		hearth_sample(hearth_gauge(w, "a bad name", "", NULL), 1, NULL);
	else if (strcmp(address, "two kinds") == 0) {
		hearth_sample(hearth_gauge(w, "twice", "", NULL), 1, NULL);
		hearth_sample(hearth_counter(w, "twice", "", NULL), 1, NULL);
	} else if (strcmp(address, "too few values") == 0)
		hearth_sample(hearth_gauge(w, "labelled", "", HEARTH_LIST("a", "b")), 1, HEARTH_LIST("x"));
	else if (strcmp(address, "log") == 0)
		hearth_log(HEARTH_WARN, "told to log n=%d", 7);
	else if (strcmp(address, "loop") == 0) {
		while (hearth_in_time() == 0)
			;
		return -1;
	} else if (strncmp(address, "tcp://", 6) == 0)
		return talk(address + 6, "hello\n", w);
	else
		hearth_sample(hearth_gauge(w, "guest_address", "The address.", HEARTH_LIST("address")), 1, HEARTH_LIST(address));
	return 0;
}

/* guest_scale(v instant-vector, by scalar = the setting factor) */
static int scale(hearth_batch *b) {
	for (uint32_t i = 0; i < b->series; i++)
		for (uint32_t k = 0; k < b->steps; k++) {
			const double v = b->values[(size_t)i * b->steps + k];
			if (!hearth_is_missing(v))
				b->out[(size_t)i * b->steps + k] = v * hearth_number(b, 0, k, settings.factor);
		}
	return 0;
}

/* guest_sum(v range-vector, what string = "values"): of values, or of milliseconds since the window began */
static int sum(hearth_batch *b) {
	const bool times = b->arguments > 0 && b->argument[0].numbers == NULL && b->argument[0].n == 5 && memcmp(b->argument[0].text, "times", 5) == 0;
	for (uint32_t i = 0; i < b->series; i++)
		for (hearth_window w = hearth_windows(b, i); hearth_next(&w);) {
			double s = 0;
			const int64_t begin = b->start + w.step * b->step - b->range;
			for (uint32_t k = 0; k < w.n; k++)
				s += times ? (double)(w.times[k] - begin) : w.samples[k];
			*w.out = s;
		}
	return hearth_in_time();
}

static const hearth_function functions[] = {{"guest_scale", scale}, {"guest_sum", sum}, {0}};

const hearth_plugin plugin = {.configure = configure, .collect = collect, .functions = functions};
