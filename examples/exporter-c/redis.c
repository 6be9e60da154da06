/* redis is an exporter for Redis: it asks a server for INFO and writes what is known of it as metrics. */
#include <hearth.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *user; /* a setting; the password is a secret */

static int configure(hearth_settings *s) {
	user = hearth_setting_string(s, "user", "");
	return 0;
}

/* The fields of INFO that are a metric by themselves. */
static const struct field {
	const char *field, *name, *help;
	bool counter;
} fields[] = {
	{"uptime_in_seconds", "redis_uptime_seconds", "Time since the server was started.", false},
	{"connected_clients", "redis_connected_clients", "Clients that are connected.", false},
	{"blocked_clients", "redis_blocked_clients", "Clients that wait in a blocking command.", false},
	{"used_memory", "redis_memory_used_bytes", "Memory the server has allocated.", false},
	{"maxmemory", "redis_memory_max_bytes", "Memory the server may allocate; 0 is no limit.", false},
	{"total_connections_received", "redis_connections_received_total", "Connections that were accepted.", true},
	{"total_commands_processed", "redis_commands_processed_total", "Commands that were carried out.", true},
	{"total_net_input_bytes", "redis_net_input_bytes_total", "Bytes read from clients.", true},
	{"total_net_output_bytes", "redis_net_output_bytes_total", "Bytes written to clients.", true},
	{"expired_keys", "redis_expired_keys_total", "Keys that have run out.", true},
	{"evicted_keys", "redis_evicted_keys_total", "Keys that were given up for want of memory.", true},
	{"keyspace_hits", "redis_keyspace_hits_total", "Look-ups that found a key.", true},
	{"keyspace_misses", "redis_keyspace_misses_total", "Look-ups that found none.", true},
	{"connected_slaves", "redis_connected_replicas", "Replicas that are connected.", false},
};

enum { MOST_INFO = 1 << 20, LINE = 512 };

/* A connection and what was read of it but not used yet. */
typedef struct {
	int fd;
	char bytes[4096];
	long n, at;
} stream;

/* Reads a byte; -1 is an error. */
static int next(stream *s) {
	if (s->at == s->n) {
		s->at = 0;
		s->n = hearth_read(s->fd, s->bytes, sizeof s->bytes);
		if (s->n == 0)
			return hearth_retry(HEARTH_UNAVAILABLE, 0, "redis: the server closed the connection");
		if (s->n < 0) {
			s->n = 0;
			return -1;
		}
	}
	return (unsigned char)s->bytes[s->at++];
}

/* Reads a line without its end. */
static int line(stream *s, char out[LINE]) {
	for (int n = 0, c; n < LINE - 1;) {
		if ((c = next(s)) < 0)
			return -1;
		if (c == '\n') {
			out[n > 0 && out[n - 1] == '\r' ? n - 1 : n] = 0;
			return 0;
		}
		out[n++] = (char)c;
	}
	return hearth_fail(HEARTH_INTERNAL, "redis: a line of the answer is too long");
}

/* Writes a command in Redis' protocol. https://redis.io/docs/latest/develop/reference/protocol-spec/ */
static int send(int fd, const char *const *words) {
	int n = 0;
	while (words[n] != NULL)
		n++;
	char head[32];
	int status = hearth_write(fd, head, (size_t)snprintf(head, sizeof head, "*%d\r\n", n));
	for (int i = 0; status == 0 && i < n; i++) {
		status = hearth_write(fd, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", strlen(words[i])));
		if (status == 0)
			status = hearth_write(fd, words[i], strlen(words[i]));
		if (status == 0)
			status = hearth_write(fd, "\r\n", 2);
	}
	return status;
}

/* Reads the first line of an answer. Errors of the server become ours. */
static int answer(stream *s, char out[LINE]) {
	if (line(s, out) != 0)
		return -1;
	if (out[0] != '-')
		return 0;
	if (strncmp(out, "-NOAUTH", 7) == 0 || strncmp(out, "-WRONGPASS", 10) == 0)
		return hearth_fail(HEARTH_UNAUTHENTICATED, "redis: %s", out + 1);
	if (strncmp(out, "-NOPERM", 7) == 0)
		return hearth_fail(HEARTH_DENIED, "redis: %s", out + 1);
	if (strncmp(out, "-LOADING", 8) == 0)
		return hearth_retry(HEARTH_UNAVAILABLE, 1000, "redis: %s", out + 1);
	return hearth_fail(HEARTH_INTERNAL, "redis: %s", out + 1);
}

static int authenticate(stream *s) {
	char *password = hearth_secret("password"), reply[LINE];
	if (password == NULL)
		return 0; /* not granted: the server may not want one, and says so if it does */
	int status = send(s->fd, user[0] != 0 ? HEARTH_LIST("AUTH", user, password) : HEARTH_LIST("AUTH", password));
	free(password);
	return status == 0 ? answer(s, reply) : -1;
}

/* Adds a line of the section Keyspace, as db0:keys=1,expires=0,avg_ttl=0 */
static void keyspace(const char *database, const char *value, hearth_writer *w) {
	unsigned long long keys, expires;
	if (sscanf(value, "keys=%llu,expires=%llu", &keys, &expires) != 2)
		return;
	hearth_sample(hearth_gauge(w, "redis_db_keys", "Keys in a database.", HEARTH_LIST("db")), (double)keys, HEARTH_LIST(database));
	hearth_sample(hearth_gauge(w, "redis_db_keys_expiring", "Keys in a database that will run out.", HEARTH_LIST("db")), (double)expires, HEARTH_LIST(database));
}

static void known(const char *field, const char *value, hearth_writer *w) {
	if (strcmp(field, "redis_version") == 0)
		hearth_sample(hearth_gauge(w, "redis_info", "The server's version.", HEARTH_LIST("version")), 1, HEARTH_LIST(value));
	if (strncmp(field, "db", 2) == 0 && field[2] >= '0' && field[2] <= '9')
		keyspace(field, value, w);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const struct field *f = &fields[i];
		char *end;
		double v = strtod(value, &end);
		if (strcmp(f->field, field) == 0 && end > value && *end == 0)
			hearth_sample((f->counter ? hearth_counter : hearth_gauge)(w, f->name, f->help, NULL), v, NULL);
	}
}

static int info(stream *s, hearth_writer *w) {
	char text[LINE];
	if (send(s->fd, HEARTH_LIST("INFO")) != 0 || answer(s, text) != 0)
		return -1;
	long left = text[0] == '$' ? strtol(text + 1, NULL, 10) : -1;
	if (left < 0 || left > MOST_INFO)
		return hearth_fail(HEARTH_INTERNAL, "redis: the answer to INFO begins with \"%.40s\"", text);
	while (left > 0) {
		if (line(s, text) != 0)
			return -1;
		left -= (long)strlen(text) + 2;
		char *colon = strchr(text, ':');
		if (colon == NULL)
			continue;
		*colon = 0;
		known(text, colon + 1, w);
	}
	return 0;
}

static int collect(const char *address, hearth_writer *w) {
	stream s = {.fd = hearth_dial(address)};
	if (s.fd < 0)
		return -1;
	int status = authenticate(&s) != 0 ? -1 : info(&s, w);
	hearth_close(s.fd);
	return status;
}

const hearth_plugin plugin = {.configure = configure, .collect = collect};
