/* Level 0 of the ABI as version 1.0 had it: a WASI command that prints, without an SDK. It was compiled once, by build.sh;
   command-1.0.wasm is what it was then, and stays that. */
typedef unsigned u32;

#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))

struct part {
	char *at;
	u32 n;
};

WASI("args_sizes_get") int args_sizes_get(u32 *count, u32 *size);
WASI("args_get") int args_get(char **args, char *bytes);
WASI("fd_read") int fd_read(int fd, struct part *parts, u32 n, u32 *done);
WASI("fd_write") int fd_write(int fd, struct part *parts, u32 n, u32 *done);
WASI("proc_exit") _Noreturn void proc_exit(int code);

static char in[4096], bytes[256];
static char *args[8];

static u32 length(const char *s) {
	u32 n = 0;
	while (s[n])
		n++;
	return n;
}

static void print(int fd, const char *s) {
	struct part p = {(char *)s, length(s)};
	u32 done;
	fd_write(fd, &p, 1, &done);
}

/* Whether text has part in it. */
static u32 has(const char *text, const char *part) {
	for (; *text; text++) {
		u32 k = 0;
		while (part[k] && text[k] == part[k])
			k++;
		if (!part[k])
			return 1;
	}
	return 0;
}

__attribute__((export_name("_start"))) void start(void) {
	u32 count, size, n = 0, done;
	if (args_sizes_get(&count, &size) || count != 2 || size > sizeof bytes || args_get(args, bytes) || !has(args[0], "plugin")) {
		print(2, "not the arguments of a plugin\n");
		proc_exit(1);
	}
	do {
		struct part p = {in + n, sizeof in - 1 - n};
		if (fd_read(0, &p, 1, &done))
			proc_exit(2);
		n += done;
	} while (done > 0 && n < sizeof in - 1);
	if (has(args[1], "describe")) {
		print(1, "{\"abi\":\"1.0\",\"kinds\":[\"exporter\"]}");
		return;
	}
	if (!has(args[1], "collect"))
		proc_exit(3);
	if (has(in, "\"address\":\"retry\"")) {
		print(2, "a line before\nthe server is starting\n");
		proc_exit(75);
	}
	if (has(in, "\"address\":\"fail\"")) {
		print(2, "the server has another version\n");
		proc_exit(1);
	}
	print(1, "# TYPE golden_result gauge\ngolden_result{of=\"");
	print(1, has(in, "\"config\":{\"greeting\":\"hello\"}") ? "hello" : "no settings");
	print(1, "\"} 1\n");
}
