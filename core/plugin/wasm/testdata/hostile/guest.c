// A guest that tries what its request says and answers with what came of it: `WORD ARGUMENT...`. The numbers in its
// answers are WASI's error numbers. It calls WASI itself, without a C library, so that nothing stands between the attempt
// and the host. The host's test compiles it: clang --target=wasm32 -nostdlib.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) extern
#define HEARTH(name) __attribute__((import_module("hearth_v1"), import_name(#name))) extern
#define EXPORT(name) __attribute__((export_name(#name)))

WASI(args_get) u32 args_get(u32, u32);
WASI(args_sizes_get) u32 args_sizes_get(u32, u32);
WASI(clock_res_get) u32 clock_res_get(u32, u32);
WASI(clock_time_get) u32 clock_time_get(u32, u64, u32);
WASI(environ_get) u32 environ_get(u32, u32);
WASI(environ_sizes_get) u32 environ_sizes_get(u32, u32);
WASI(fd_advise) u32 fd_advise(u32, u64, u64, u32);
WASI(fd_allocate) u32 fd_allocate(u32, u64, u64);
WASI(fd_close) u32 fd_close(u32);
WASI(fd_datasync) u32 fd_datasync(u32);
WASI(fd_fdstat_get) u32 fd_fdstat_get(u32, u32);
WASI(fd_fdstat_set_flags) u32 fd_fdstat_set_flags(u32, u32);
WASI(fd_fdstat_set_rights) u32 fd_fdstat_set_rights(u32, u64, u64);
WASI(fd_filestat_get) u32 fd_filestat_get(u32, u32);
WASI(fd_filestat_set_size) u32 fd_filestat_set_size(u32, u64);
WASI(fd_filestat_set_times) u32 fd_filestat_set_times(u32, u64, u64, u32);
WASI(fd_pread) u32 fd_pread(u32, u32, u32, u64, u32);
WASI(fd_prestat_dir_name) u32 fd_prestat_dir_name(u32, u32, u32);
WASI(fd_prestat_get) u32 fd_prestat_get(u32, u32);
WASI(fd_pwrite) u32 fd_pwrite(u32, u32, u32, u64, u32);
WASI(fd_read) u32 fd_read(u32, u32, u32, u32);
WASI(fd_readdir) u32 fd_readdir(u32, u32, u32, u64, u32);
WASI(fd_renumber) u32 fd_renumber(u32, u32);
WASI(fd_seek) u32 fd_seek(u32, u64, u32, u32);
WASI(fd_sync) u32 fd_sync(u32);
WASI(fd_tell) u32 fd_tell(u32, u32);
WASI(fd_write) u32 fd_write(u32, u32, u32, u32);
WASI(path_create_directory) u32 path_create_directory(u32, u32, u32);
WASI(path_filestat_get) u32 path_filestat_get(u32, u32, u32, u32, u32);
WASI(path_filestat_set_times) u32 path_filestat_set_times(u32, u32, u32, u32, u64, u64, u32);
WASI(path_link) u32 path_link(u32, u32, u32, u32, u32, u32, u32);
WASI(path_open) u32 path_open(u32, u32, u32, u32, u32, u64, u64, u32, u32);
WASI(path_readlink) u32 path_readlink(u32, u32, u32, u32, u32, u32);
WASI(path_remove_directory) u32 path_remove_directory(u32, u32, u32);
WASI(path_rename) u32 path_rename(u32, u32, u32, u32, u32, u32);
WASI(path_symlink) u32 path_symlink(u32, u32, u32, u32, u32);
WASI(path_unlink_file) u32 path_unlink_file(u32, u32, u32);
WASI(poll_oneoff) u32 poll_oneoff(u32, u32, u32, u32);
WASI(proc_exit) void proc_exit(u32);
WASI(proc_raise) u32 proc_raise(u32);
WASI(random_get) u32 random_get(u32, u32);
WASI(sock_accept) u32 sock_accept(u32, u32, u32);
WASI(sock_recv) u32 sock_recv(u32, u32, u32, u32, u32, u32);
WASI(sock_send) u32 sock_send(u32, u32, u32, u32, u32);
WASI(sock_shutdown) u32 sock_shutdown(u32, u32);
HEARTH(log) void hearth_log(u32, u32, u32);
HEARTH(net_attach) u32 net_attach(u32, u32, u32);
HEARTH(net_status) int net_status(u32, u32, u32);
HEARTH(statfs) u32 hearth_statfs(u32, u32, u32);

#define AT(p) ((u32)(p))

static u8 request[1 << 16] __attribute__((aligned(8)));
static u8 out[1 << 16], scratch[1 << 16] __attribute__((aligned(8)));
static u32 out_len;
static u32 kept = 0; // a socket of an earlier call
static volatile u32 sink;

static void say(const char *s) {
	while (*s && out_len < sizeof out) out[out_len++] = *s++;
}
static void say_bytes(const u8 *b, u32 n) {
	for (u32 i = 0; i < n && out_len < sizeof out; i++) out[out_len++] = b[i];
}
static void say_number(u32 n) {
	char digits[11], *p = digits + 10;
	*p = 0;
	do *--p = '0' + n % 10; while (n /= 10);
	say(p);
}

// The words of the request.
static u8 *rest;
static u32 rest_len;

struct word { u32 at, len; };
static struct word word(void) {
	struct word w = {AT(rest), 0};
	while (w.len < rest_len && rest[w.len] != ' ') w.len++;
	u32 skip = w.len < rest_len ? w.len + 1 : w.len;
	rest += skip, rest_len -= skip;
	return w;
}
static u32 number(void) {
	struct word w = word();
	u32 n = 0;
	for (u32 i = 0; i < w.len; i++) n = n * 10 + ((u8 *)w.at)[i] - '0';
	return n;
}
static int is(struct word w, const char *s) {
	u32 i = 0;
	for (; i < w.len && s[i]; i++)
		if (((u8 *)w.at)[i] != (u8)s[i]) return 0;
	return i == w.len && !s[i];
}

static struct { u32 at, len; } vectors[2048];

static u32 open_path(struct word p, u32 oflags, u64 rights, u32 fdflags, u32 *fd) {
	return path_open(3, 1, p.at, p.len, oflags, rights, 0, fdflags, AT(fd));
}
static u32 read_fd(u32 fd, u32 *n) {
	vectors[0].at = AT(scratch), vectors[0].len = sizeof scratch;
	return fd_read(fd, AT(vectors), 1, AT(n));
}
static u32 write_fd(u32 fd, const void *b, u32 len) {
	u32 n;
	vectors[0].at = AT(b), vectors[0].len = len;
	return fd_write(fd, AT(vectors), 1, AT(&n));
}

// dial opens a connection to an address, with a token of its own.
static u32 dial(struct word address, u32 token, u32 *fd) {
	static u8 path[512];
	u32 n = 0;
	for (const char *s = "net/tcp/"; *s; s++) path[n++] = *s;
	for (u32 i = 0; i < address.len && n < 480; i++) path[n++] = ((u8 *)address.at)[i];
	path[n++] = '#';
	for (u32 k = 1000000; k; k /= 10) path[n++] = '0' + token / k % 10;
	return path_open(3, 1, AT(path), n, 0, ~0ull, 0, 0, AT(fd));
}

static void files(struct word what) {
	u32 fd, n, e;
	struct word p = word(), q = word();
	if (is(what, "open")) { // and read
		e = open_path(p, 0, ~0ull >> 1 & ~(1ull << 6), 0, &fd);
		if (e) goto number;
		e = read_fd(fd, &n);
		if (e) goto number;
		say("read "), say_bytes(scratch, n);
		fd_close(fd);
		return;
	}
	if (is(what, "list")) {
		e = open_path(p, 2, 1ull << 14, 0, &fd);
		if (e) goto number;
		e = fd_readdir(fd, AT(scratch), sizeof scratch, 0, AT(&n));
		if (e) goto number;
		say("holds");
		for (u32 at = 0; at + 24 < n;) { // next, inode, length of the name, type
			u32 len = *(u32 *)(scratch + at + 16);
			say(" "), say_bytes(scratch + at + 24, len);
			at += 24 + len;
		}
		return;
	}
	if (is(what, "many")) { // opens and leaves open
		for (n = 0; n < 100000 && !(e = open_path(p, 0, 1 << 1, 0, &fd)); n++) {}
		say("opened "), say_number(n), say(" "), say_number(e);
		return;
	}
	e = 0;
	if (is(what, "write")) e = open_path(p, 0, 1 << 6, 0, &fd);
	if (is(what, "create")) e = open_path(p, 1, 1 << 6 | 1 << 1, 0, &fd);
	if (is(what, "truncate")) e = open_path(p, 8, 1 << 6 | 1 << 1, 0, &fd);
	if (is(what, "append")) e = open_path(p, 0, 1 << 6 | 1 << 1, 1, &fd);
	if (is(what, "mkdir")) e = path_create_directory(3, p.at, p.len);
	if (is(what, "rmdir")) e = path_remove_directory(3, p.at, p.len);
	if (is(what, "unlink")) e = path_unlink_file(3, p.at, p.len);
	if (is(what, "rename")) e = path_rename(3, p.at, p.len, 3, q.at, q.len);
	if (is(what, "link")) e = path_link(3, 0, p.at, p.len, 3, q.at, q.len);
	if (is(what, "symlink")) e = path_symlink(p.at, p.len, 3, q.at, q.len);
	if (is(what, "utimes")) e = path_filestat_set_times(3, 1, p.at, p.len, 0, 0, 1 | 4);
	if (is(what, "stat")) e = path_filestat_get(3, 1, p.at, p.len, AT(scratch));
	if (is(what, "readlink")) {
		e = path_readlink(3, p.at, p.len, AT(scratch), sizeof scratch, AT(&n));
		if (!e) { say("read "), say_bytes(scratch, n); return; }
	}
	if (is(what, "statfs")) e = hearth_statfs(p.at, p.len, AT(scratch));
	if (is(what, "long")) e = path_open(3, 1, 0, 1 << 20, 0, 1 << 1, 0, 0, AT(&fd)); // a path of a megabyte
number:
	say_number(e);
}

// descriptors uses every number there may be as if it were a file of somebody's.
static void descriptors(void) {
	u32 n, usable = 0;
	say("usable");
	for (u32 i = 4; i < 5000 + 2; i++) {
		u32 fd = i < 5000 ? i : i == 5000 ? 0x7fffffff : ~0u; // none was opened
		if (fd_prestat_get(fd, AT(scratch)) == 0 || fd_fdstat_get(fd, AT(scratch)) == 0 || read_fd(fd, &n) == 0 || fd_close(fd) == 0)
			say(" "), say_number(fd), usable++;
	}
	if (!usable) say(" none");
}

// pointers calls every function with addresses that are not, wholly or in part, in the memory, and says which succeeded.
static void pointers(void) {
	u32 size = __builtin_wasm_memory_size(0) << 16;
	u32 where[] = {size - 1, size, 0x7ffffff8, 0xfffffff8, 0xffffffff};
	say("succeeded");
	u32 path = AT("proc"), fd;
	path_open(3, 1, path, 4, 2, 1 << 14, 0, 0, AT(&fd));
	for (u32 i = 0; i < sizeof where / sizeof *where; i++) {
		u32 p = where[i];
		vectors[0].at = p, vectors[0].len = 16, vectors[1].at = AT(scratch), vectors[1].len = 0xffffffff;
#define TRY(call) if ((call) == 0) say(" " #call)
		TRY(environ_sizes_get(p, p));
		TRY(args_sizes_get(p, p));
		TRY(clock_res_get(0, p));
		TRY(clock_time_get(0, 0, p));
		TRY(fd_fdstat_get(3, p));
		TRY(fd_filestat_get(3, p));
		TRY(fd_prestat_get(3, p));
		TRY(fd_prestat_dir_name(3, p, 16));
		TRY(fd_read(0, AT(vectors), 1, AT(scratch)));
		TRY(fd_read(0, p, 1, AT(scratch)));
		TRY(fd_read(0, AT(vectors + 1), 1, AT(scratch)));
		TRY(fd_pread(3, p, 1, 0, AT(scratch)));
		TRY(fd_write(1, AT(vectors), 1, AT(scratch)));
		TRY(fd_write(1, AT(vectors + 1), 1, AT(scratch)));
		TRY(fd_write(1, p, 2, AT(scratch)));
		TRY(fd_write(1, AT(vectors), 0x20000001, AT(scratch)));
		TRY(fd_pwrite(1, p, 1, 0, AT(scratch)));
		TRY(fd_readdir(fd, p, 64, 0, AT(scratch)));
		TRY(fd_readdir(fd, AT(scratch), sizeof scratch, 0, p));
		TRY(fd_seek(fd, 0, 1, p));
		TRY(fd_tell(fd, p));
		TRY(path_open(3, 1, p, 16, 0, 1 << 1, 0, 0, AT(scratch)));
		TRY(path_open(3, 1, path, 4, 2, 1 << 14, 0, 0, p));
		TRY(path_filestat_get(3, 1, p, 16, AT(scratch)));
		TRY(path_filestat_get(3, 1, path, 4, p));
		TRY(path_readlink(3, p, 16, AT(scratch), 16, AT(scratch)));
		TRY(path_create_directory(3, p, 16));
		TRY(path_rename(3, p, 16, 3, p, 16));
		TRY(path_symlink(p, 16, 3, p, 16));
		TRY(path_link(3, 0, p, 16, 3, p, 16));
		TRY(path_unlink_file(3, p, 16));
		TRY(poll_oneoff(p, AT(scratch), 1, AT(scratch)));
		TRY(poll_oneoff(AT(scratch), p, 1, AT(scratch)));
		TRY(random_get(p, 16));
		TRY(random_get(AT(scratch), 0xffffffff));
		TRY(sock_accept(3, 0, p));
		TRY(sock_recv(3, p, 1, 0, p, p));
		TRY(sock_send(3, p, 1, 0, p));
		TRY(net_attach(p, 4, 3));
		TRY(hearth_statfs(p, 4, AT(scratch)));
		TRY(hearth_statfs(AT("/"), 1, p));
		hearth_log(0, p, 16);
		hearth_log(0, AT(scratch), 0xffffffff);
		if (net_status(3, p, 64) >= 0) say(" net_status");
	}
}

// sockets tries what sockets can do and a guest's may not.
static void sockets(void) {
	u32 fd;
	say("accept "), say_number(sock_accept(3, 0, AT(&fd)));
	say(" listen "), say_number(path_open(3, 1, AT("net/listen/0.0.0.0:80"), 21, 0, ~0ull, 0, 0, AT(&fd)));
	say(" udp "), say_number(path_open(3, 1, AT("net/udp/127.0.0.1:53#1"), 22, 0, ~0ull, 0, 0, AT(&fd)));
	say(" unix "), say_number(path_open(3, 1, AT("net/unix/run/x.sock#1"), 21, 0, ~0ull, 0, 0, AT(&fd)));
	vectors[0].at = AT(scratch), vectors[0].len = 16;
	say(" recv "), say_number(sock_recv(3, AT(vectors), 1, 0, AT(&fd), AT(&fd)));
	say(" send "), say_number(sock_send(1, AT(vectors), 1, 0, AT(&fd)));
	say(" shutdown "), say_number(sock_shutdown(3, 3));
	say(" raise "), say_number(proc_raise(9));
}

static void net(struct word what) {
	struct word address = word();
	u32 fd, n, e = 0;
	if (is(what, "dial")) { // and say hello, and read what there is
		e = dial(address, 1, &fd);
		if (e) { say("open "), say_number(e); return; }
		if (net_attach(AT("0000001"), 7, fd)) { say("attach"); return; }
		e = write_fd(fd, "hello\n", 6);
		if (!e) e = read_fd(fd, &n);
		if (!e) { say("read "), say_bytes(scratch, n); fd_close(fd); return; }
		say("failed "), say_number(e), say(" ");
		int len = net_status(fd, AT(scratch), 400);
		if (len > 0) say_bytes(scratch, len);
		fd_close(fd);
	}
	if (is(what, "sockets")) {
		for (n = 0; n < 10000 && !(e = dial(address, n + 10, &fd)); n++) {}
		say("opened "), say_number(n), say(" "), say_number(e);
	}
	if (is(what, "churn")) {
		for (n = 0; n < 10000 && !(e = dial(address, n + 10, &fd)); n++) fd_close(fd);
		say("opened "), say_number(n), say(" "), say_number(e);
	}
	if (is(what, "token")) { // that somebody else has, and one's own twice
		say("other's "), say_number(net_attach(AT("0000001"), 7, 9));
		dial(address, 5, &fd);
		say(" own "), say_number(net_attach(AT("0000005"), 7, fd));
		say(" again "), say_number(net_attach(AT("0000005"), 7, fd));
		fd_close(fd);
	}
	if (is(what, "keep")) {
		e = dial(address, 3, &kept);
		if (!e) e = write_fd(kept, "hello\n", 6);
		say_number(e);
	}
	if (is(what, "kept")) { // the socket of the last call
		e = read_fd(kept, &n);
		if (e) { say_number(e); return; }
		say("read "), say_bytes(scratch, n);
	}
	if (is(what, "drip")) { // from a server that never ends
		e = dial(address, 4, &fd);
		while (!e) e = read_fd(fd, &n);
		say_number(e);
		for (;;) read_fd(fd, &n);
	}
}

static u32 deeper(u32 n) { return deeper(n + 1) + sink; } // without memory, so that nothing else ends it
static u32 pong(u32);
static u32 (*volatile table[2])(u32);
static u32 ping(u32 n) { return table[1](n + 1) + 1; }
static u32 pong(u32 n) { return table[0](n + 1) + 1; }

static void endless(struct word what) {
	if (is(what, "loop")) for (;;) sink++;
	if (is(what, "recurse")) sink = deeper(1);
	if (is(what, "mutual")) table[0] = ping, table[1] = pong, sink = ping(1);
	if (is(what, "print")) for (;;) write_fd(1, "all work and no play\n", 21);
	if (is(what, "log")) for (;;) hearth_log(0, AT("all work and no play"), 20);
	if (is(what, "buffers")) { // as many as are allowed, as often as there is time
		for (u32 i = 0; i < 1024; i++) vectors[i].at = AT(scratch), vectors[i].len = 1024;
		for (;;) { u32 n; fd_write(1, AT(vectors), 1024, AT(&n)); }
	}
	if (is(what, "chance")) for (;;) random_get(0, __builtin_wasm_memory_size(0) << 16);
	if (is(what, "grow")) {
		u32 pages = 0;
		while (__builtin_wasm_memory_grow(0, 16) != ~0ul) pages += 16;
		if (!pages) __builtin_trap();
		for (;;) if (__builtin_wasm_memory_grow(0, 1) == ~0ul) __builtin_trap();
	}
	if (is(what, "sleep")) { // until the end of time, by a clock that flows over
		*(u64 *)scratch = 0;
		scratch[8] = 0;
		*(u32 *)(scratch + 16) = 1;
		*(u64 *)(scratch + 24) = ~0ull, *(u64 *)(scratch + 32) = ~0ull;
		*(u32 *)(scratch + 40) = number();
		say_number(poll_oneoff(AT(scratch), AT(scratch + 64), 1, AT(scratch + 128)));
	}
}

static u64 answer(void) { return (u64)AT(out) << 32 | out_len; }

EXPORT(hearth_abi_v1) u32 version(void) { return 1; }
EXPORT(hearth_alloc) u32 alloc(u32 n) { return n <= sizeof request ? AT(request) : 0; }
EXPORT(hearth_describe) u64 describe(void) {
	out_len = 0, say("{\"abi\":\"1.1\",\"kinds\":[\"exporter\"]}");
	return answer();
}
EXPORT(hearth_collect) u64 collect(u32 ptr, u32 len) {
	u32 n = 0, e = 0, fd;
	rest = (u8 *)ptr, rest_len = len, out_len = 0;
	struct word what = word();
	if (is(what, "files")) files(word());
	else if (is(what, "net")) net(word());
	else if (is(what, "endless")) endless(word());
	else if (is(what, "descriptors")) descriptors();
	else if (is(what, "pointers")) pointers();
	else if (is(what, "sockets")) sockets();
	else if (is(what, "exit")) proc_exit(number());
	else if (is(what, "trap")) __builtin_trap();
	else if (is(what, "divide")) sink = 0, sink = 1000003 / sink;
	else if (is(what, "outside")) sink = *(volatile u32 *)0xfffffff0;
	else if (is(what, "poll")) say_number(poll_oneoff(AT(scratch), AT(scratch), number(), AT(scratch)));
	else if (is(what, "renumber")) {
		fd = number(), n = number();
		say_number(fd_renumber(fd, n));
	} else if (is(what, "far")) { // a file of its own, far out in the table
		e = path_open(3, 1, AT("."), 1, 2, 1 << 14, 0, 0, AT(&fd));
		if (!e) e = fd_renumber(fd, number());
		say_number(e);
	} else if (is(what, "overlap")) { // the same bytes again and again: n buffers of so many
		n = number();
		u32 size = number();
		for (u32 i = 0; i < n && i < 2048; i++) vectors[i].at = 0, vectors[i].len = size;
		say_number(fd_write(1, AT(vectors), n, AT(scratch)));
	} else if (is(what, "lie")) { // an answer that lies elsewhere, or is longer than there is
		u32 at = number();
		return (u64)at << 32 | number();
	} else if (is(what, "echo")) return (u64)ptr << 32 | len; // the answer is the request's own buffer
	else if (is(what, "fail")) return 1ull << 63 | (u64)AT(rest) << 32 | rest_len;
	else if (is(what, "say")) hearth_log(4, AT(rest), rest_len);
	else if (is(what, "complain")) write_fd(2, rest, rest_len), __builtin_trap();
	else if (is(what, "environment")) {
		u32 bytes = 0;
		environ_sizes_get(AT(&n), AT(&bytes));
		say("variables "), say_number(n);
		args_sizes_get(AT(&n), AT(&bytes));
		say(" arguments "), say_number(n);
	} else say("what?");
	return answer();
}
