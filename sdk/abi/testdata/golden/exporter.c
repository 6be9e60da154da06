/* The ABI as version 1.0 had it, in one exporter without an SDK: every export and import of that version. It was compiled once,
   by build.sh; exporter-1.0.wasm is what it was then, and stays that. */
typedef unsigned u32;
typedef unsigned long long u64;

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(name) __attribute__((import_module("hearth_v1"), import_name(name)))

IMPORT("log") void host_log(int level, const char *line, u32 n);
IMPORT("net_attach") int net_attach(const char *token, u32 n, int fd);
IMPORT("net_status") int net_status(int fd, char *reason, u32 n);
IMPORT("statfs") int host_statfs(const char *path, u32 n, u64 *out);
IMPORT("invented_later") int invented_later(int a, long long b);

static u64 buffer[1024];
static char out[4096];
static u32 n, started, calls;
static char greeting[64];

static u64 answer(u64 failed) { return failed << 63 | (u64)(u32)out << 32 | n; }

static void add(const char *s) {
	while (*s && n < sizeof out)
		out[n++] = *s++;
}

static void number(long long v) {
	char b[24];
	u32 k = sizeof b - 1;
	b[k] = 0;
	u64 u = v < 0 ? -(u64)v : (u64)v;
	do
		b[--k] = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		b[--k] = '-';
	add(b + k);
}

/* Finds the text of a member in an object without escapes; 0 if there is none. */
static u32 member(const char *in, u32 size, const char *quoted, char *to, u32 room) {
	for (u32 i = 0; i < size; i++) {
		u32 k = 0;
		while (quoted[k] && i + k < size && in[i + k] == quoted[k])
			k++;
		if (quoted[k])
			continue;
		u32 m = 0;
		for (i += k; i < size && in[i] != '"' && m + 1 < room; i++)
			to[m++] = in[i];
		to[m] = 0;
		return 1;
	}
	return 0;
}

static u32 same(const char *a, const char *b) {
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

EXPORT("_initialize") void initialize(void) { started++; }

EXPORT("hearth_abi_v1") int version(void) { return 0; }

EXPORT("hearth_alloc") void *alloc(u32 size) { return size <= sizeof buffer ? buffer : 0; }

EXPORT("hearth_describe") u64 describe(void) {
	n = 0;
	add("{\"abi\":\"1.0\",\"kinds\":[\"exporter\"],\"sdk\":\"none\",\"something_later\":[1,{}]}");
	return answer(0);
}

EXPORT("hearth_configure") u64 configure(const char *in, u32 size) {
	n = 0;
	if (member(in, size, "\"refuse\":\"", out, sizeof out)) {
		add("{\"code\":\"invalid_request\",\"message\":\"told to refuse\"}");
		return answer(1);
	}
	member(in, size, "\"greeting\":\"", greeting, sizeof greeting);
	return 0; /* an empty result has no place */
}

EXPORT("hearth_collect") u64 collect(const char *in, u32 size) {
	char address[64], reason[64];
	u64 figures[8];
	n = 0;
	calls++;
	if (!member(in, size, "\"address\":\"", address, sizeof address)) {
		add("no address: this is not an error body");
		return answer(1);
	}
	if (same(address, "retry")) {
		add("{\"code\":\"unavailable\",\"message\":\"told to fail\",\"retryable\":true,\"retry_after_ms\":2500,\"something_later\":0}");
		return answer(1);
	}
	if (same(address, "unknown code")) {
		add("{\"code\":\"invented_later\",\"message\":\"a code of tomorrow\",\"retryable\":true}");
		return answer(1);
	}
	if (same(address, "trap"))
		__builtin_trap();
	if (same(address, "openmetrics")) {
		add("# TYPE golden gauge\ngolden 1\n# EOF\n");
		return answer(0);
	}
	if (same(address, "nothing"))
		return answer(0);
	host_log(4, "golden address=here", 19);
	add("# TYPE golden_result gauge\ngolden_result{of=\"initialize\"} "), number(started);
	add("\ngolden_result{of=\"calls\"} "), number(calls);
	add("\ngolden_result{of=\"alignment\"} "), number((u32)in % 8);
	add("\ngolden_result{of=\"net_attach of nothing\"} "), number(net_attach("x", 1, 9));
	add("\ngolden_result{of=\"net_status of nothing\"} "), number(net_status(9, reason, sizeof reason));
	add("\ngolden_result{of=\"statfs without the right\"} "), number(host_statfs("/", 1, figures));
	add("\ngolden_result{of=\"an import of tomorrow\"} "), number(invented_later(1, 2));
	add("\ngolden_result{of=\""), add(greeting), add("\"} 1\n");
	return answer(0);
}
