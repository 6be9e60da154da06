/* The ABI as version 1.1 had it, in two functions without an SDK. It was compiled once, by build.sh; function-1.1.wasm is what
   it was then, and stays that. */
typedef unsigned u32;
typedef unsigned long long u64;

#define EXPORT(name) __attribute__((export_name(name)))

static u64 buffer[8192];
static double cells[4096];

static u64 at(const void *p, u32 n, u64 failed) { return failed << 63 | (u64)(u32)p << 32 | n; }

EXPORT("hearth_abi_v1") int version(void) { return 1; }

EXPORT("hearth_alloc") void *alloc(u32 size) { return size <= sizeof buffer ? buffer : 0; }

EXPORT("hearth_describe") u64 describe(void) {
	static const char text[] = "{\"abi\":\"1.1\",\"kinds\":[\"function\"],\"functions\":[\"golden_double\",\"golden_sum\"]}";
	return at(text, sizeof text - 1, 0);
}

static u64 fail(const char *body) {
	u32 n = 0;
	while (body[n])
		n++;
	return at(body, n, 1);
}

static u32 named(const char *name, u32 n, const char *want) {
	u32 k = 0;
	while (k < n && want[k] && name[k] == want[k])
		k++;
	return k == n && !want[k];
}

/* golden_double(v instant-vector): 2v
   golden_sum(v range-vector, by scalar, what string): by times the sum of all samples of a series, if what is "all" */
EXPORT("hearth_eval") u64 eval(const char *in, u32 size) {
	const u32 *head = (const u32 *)in;
	if (size < 56 || head[0] != 0x31544248)
		return fail("{\"code\":\"invalid_request\",\"message\":\"no batch\"}");
	const u32 series = head[2], steps = head[3], name = head[12];
	const char *data = in + 56 + (name + 7) / 8 * 8;
	if (named(in + 56, name, "golden_double") && head[1] == 0 && head[11] == 0) {
		const u64 *bits = (const u64 *)data;
		for (u32 i = 0; i < series * steps; i++)
			if (bits[i] == 0x7ff0000000000002)
				((u64 *)cells)[i] = bits[i];
			else
				cells[i] = 2 * ((const double *)data)[i];
		return at(cells, 8 * series * steps, 0);
	}
	if (!named(in + 56, name, "golden_sum"))
		return fail("{\"code\":\"unknown_function\",\"message\":\"no such function\"}");
	const u32 *by = (const u32 *)data, *what = by + 2 + 2 * by[1];
	if (head[1] != 1 || head[11] != 2 || by[0] > 1 || what[0] != 2 || !named((const char *)(what + 2), what[1], "all"))
		return fail("{\"code\":\"invalid_request\",\"message\":\"not the arguments of golden_sum\"}");
	const u32 *offsets = (const u32 *)((const char *)(what + 2) + (what[1] + 7) / 8 * 8);
	const double *samples = (const double *)((const char *)offsets + (4 * (series + 1) + 7) / 8 * 8) + head[10];
	for (u32 i = 0; i < series; i++)
		for (u32 k = 0; k < steps; k++) {
			double sum = 0;
			for (u32 j = offsets[i]; j < offsets[i + 1]; j++)
				sum += samples[j];
			cells[i * steps + k] = sum * ((const double *)(by + 2))[by[0] ? k : 0];
			if (offsets[i] == offsets[i + 1])
				((u64 *)cells)[i * steps + k] = 0x7ff0000000000002;
		}
	return at(cells, 8 * series * steps, 0);
}
