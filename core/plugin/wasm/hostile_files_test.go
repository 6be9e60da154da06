package wasm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// hostileFolder has a granted folder, and what the way out of it might lead to.
func hostileFolder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	for p, text := range map[string]string{"granted/a": "A", "granted/deep/b": "B", "secret/d": "SECRET", "password": "SECRET"} {
		must(os.MkdirAll(filepath.Dir(filepath.Join(dir, p)), 0o755))
		must(os.WriteFile(filepath.Join(dir, p), []byte(text), 0o644))
	}
	for link, to := range map[string]string{
		"up": "../secret/d", "upper": "..", "absolute": filepath.Join(dir, "secret/d"), "root": "/", "environ": "/proc/self/environ", "fd": "/proc/self/fd",
		"loop": "loop", "chain": "chain2", "chain2": "deep/../../secret/d", "tosecrets": "/secrets/password", "tonet": "/net/tcp/127.0.0.1:1#1",
	} {
		must(os.Symlink(to, filepath.Join(dir, "granted", link)))
	}
	must(syscall.Mkfifo(filepath.Join(dir, "granted/pipe"), 0o644))
	l, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(err)
	must(syscall.Bind(l, &syscall.SockaddrUnix{Name: filepath.Join(dir, "granted/socket")}))
	must(syscall.Close(l))
	return dir
}

func TestHostileGuestsSeeOnlyTheirFiles(t *testing.T) {
	h := newHostile(t)
	dir := hostileFolder(t)
	r := Rights{
		Asked: everything, Files: []string{dir + "/granted", "/dev"},
		Secrets: map[string]func() (string, error){"password": func() (string, error) { return "hunter2", nil }},
	}
	const asked = `add \"/\" to files of the plugin's grant`
	const outside = "leads above the root, begins there or is no UTF-8"
	for _, tt := range []struct{ name, do, want, log string }{
		{"a file that is granted", "open DIR/granted/a", "read A", ""},
		{"the same with a slash in front", "open /DIR/granted/a", "63", outside},
		{"a file that is not", "open DIR/secret/d", "2", "secret/d is not granted: " + asked},
		{"by the way up", "open DIR/granted/../secret/d", "2", asked},
		{"by many ways up", "open DIR/granted/../../../../../../../../../../../../../etc/passwd", "63", outside},
		{"by a way up in the middle of a name", "open DIR/granted/deep/..//./../secret/d", "2", asked},
		{"by a link up", "open DIR/granted/up", "2", "is not granted"},
		{"by a linked folder up", "open DIR/granted/upper/secret/d", "2", "is not granted"},
		{"by an absolute link", "open DIR/granted/absolute", "2", "is not granted"},
		{"by a link to the root", "open DIR/granted/root/etc/passwd", "2", "is not granted"},
		{"by links in a row", "open DIR/granted/chain", "2", "is not granted"},
		{"a link to itself", "open DIR/granted/loop", "32", ""},
		{"a link into /proc", "open DIR/granted/environ", "2", "is not granted"},
		{"a linked folder of /proc", "list DIR/granted/fd", "2", "is not granted"},
		{"a link to a socket", "open DIR/granted/tonet", "2", "is not granted"},
		{"what is above the granted folder", "list DIR", "holds . .. granted", ""},
		{"a path that ends in a zero", "open DIR/granted/a\x00.txt", "28", ""},
		{"a zero in the middle", "open DIR/granted/\x00/../../secret/d", "2", asked},
		{"a path that is no UTF-8", "open DIR/granted/\xff\xfe", "63", outside},
		{"a path that steers a terminal", "open DIR/\x1b[31m\n", "2", `\\x1b[31m\\n`},
		{"no path", "open ", "28", ""},
		{"a path of a megabyte", "long", "37", ""},
		{"a folder as a file", "open DIR/granted/deep", "31", ""},
		{"a file as a folder", "list DIR/granted/a", "54", ""},
		{"a pipe", "open DIR/granted/pipe", "2", "is a pipe, a device or a socket"},
		{"a socket", "open DIR/granted/socket", "29", ""},
		{"a device", "open dev/zero", "2", "/dev/zero can't be granted"},
		{"chance", "open dev/urandom", "2", "/dev/urandom can't be granted"},
		{"the server's own descriptors", "open dev/fd/0", "2", ""},
		{"the server's own output", "open dev/stdout", "2", ""},
		{"writing", "write DIR/granted/a", "69", "granted/a: plugins may read files, nothing else"},
		{"making a file", "create DIR/granted/new", "69", "nothing else"},
		{"emptying a file", "truncate DIR/granted/a", "69", "nothing else"},
		{"appending", "append DIR/granted/a", "69", "nothing else"},
		{"a folder", "mkdir DIR/granted/new", "69", "nothing else"},
		{"removing a folder", "rmdir DIR/granted/deep", "69", "nothing else"},
		{"removing a file", "unlink DIR/granted/a", "69", "nothing else"},
		{"renaming", "rename DIR/granted/a DIR/granted/b", "69", "nothing else"},
		{"a second name for a secret", "link DIR/secret/d DIR/granted/mine", "69", "nothing else"},
		{"a link to a secret", "symlink /etc/shadow DIR/granted/mine", "69", "nothing else"},
		{"the times of a file", "utimes DIR/granted/a", "69", "nothing else"},
		{"writing to a device", "write dev/sda", "69", "nothing else"},
		{"where a link leads", "readlink DIR/secret/d", "2", "is not granted"},
		{"whether a file is there", "stat DIR/secret/d", "2", "is not granted"},
		{"whether a file behind a link is there", "stat DIR/granted/absolute", "2", "is not granted"},
		{"a secret that is granted", "open secrets/password", "read hunter2", ""},
		{"one that is asked for only", "open secrets/token", "44", "the secret token is not granted: add it to secrets"},
		{"one that is not asked for", "open secrets/root", "44", "the secret root can't be granted"},
		{"the secrets", "list secrets", "holds . .. password", ""},
		{"a way out of the secrets", "open secrets/../DIR/password", "2", "is not granted"},
		{"a way out of a secret", "open secrets/password/../../DIR/password", "2", "is not granted"},
		{"a file below a secret", "open secrets/password/x", "44", ""},
		{"writing a secret", "write secrets/password", "69", "nothing else"},
		{"a secret by a link", "open DIR/granted/tosecrets", "read hunter2", ""},
		{"how large another file system is", "statfs /boot", "2", "statfs of /boot is not granted"},
		{"how large none is", "statfs \xff\x00", "2", `statfs of \\xff\\x00 is not granted`},
		{"more files than are allowed", "many DIR/granted/a", "opened 63 6", ""},
		{"more folders of sockets than are allowed", "many net", "opened 16 6", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := h.attempt(t, h.guest, r)
			out, err := a.ends(t, "files "+strings.ReplaceAll(tt.do, "DIR", strings.TrimPrefix(dir, "/")))
			if out != tt.want || err != nil {
				t.Errorf("got %q, %v, want %q", out, err, tt.want)
			}
			a.logs(t, tt.log)
			h.goesOn(t)
		})
	}
	for p, want := range map[string]string{"granted/a": "A", "granted/deep/b": "B", "secret/d": "SECRET"} {
		if text, err := os.ReadFile(filepath.Join(dir, p)); string(text) != want || err != nil {
			t.Errorf("%s is %q now, %v", p, text, err)
		}
	}
	for _, p := range []string{"granted/new", "granted/mine", "granted/b"} {
		if _, err := os.Lstat(filepath.Join(dir, p)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", p, err)
		}
	}
}

func TestHostileGuestsHaveNoOthersDescriptors(t *testing.T) {
	h := newHostile(t)
	t.Setenv("TZ", "Nowhere/Secret")
	for _, tt := range []struct{ name, do, want, log string }{
		{"every number as if it were a file", "descriptors", "usable none", ""},
		{"every function with addresses outside", "pointers", "succeeded", ""},
		{"what sockets can do elsewhere", "sockets", "accept 8 listen 44 udp 44 unix 44 recv 8 send 8 shutdown 8 raise 52", "/net/udp/127.0.0.1:53#1"},
		{"the root moved to another number", "renumber 3 7", "58", ""},
		{"standard output on top of the root", "renumber 1 3", "58", ""},
		{"a number nobody has", "renumber 77 78", "8", ""},
		{"its own, to the end of what there is", "far 1023", "0", ""},
		{"its own, to where the table would take gigabytes", "far 2147483647", "8", "moving a descriptor to 2147483647"},
		{"its own, to a negative number", "far 4294967295", "8", "moving a descriptor to -1"},
		{"more buffers than there need be", "overlap 1025 1", "28", "1025 buffers at once"},
		{"a number of buffers that flows over", "overlap 536870913 1", "28", "buffers at once"},
		{"the same bytes a thousand times", "overlap 1000 60000", "28", "more bytes at once than it has memory"},
		{"buffers of four gigabytes", "overlap 2 4294967295", "28", "more bytes at once"},
		{"four billion subscriptions", "poll 4294967295", "28", ""},
		{"subscriptions that flow over", "poll 89478486", "28", ""},
		{"no subscription", "poll 0", "28", ""},
		{"the environment and arguments", "environment", "variables 1 arguments 0", ""}, // GOMEMLIMIT
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := h.attempt(t, h.guest, Rights{Asked: everything})
			out, err := a.ends(t, tt.do)
			if out != tt.want || err != nil {
				t.Errorf("got %q, %v, want %q", out, err, tt.want)
			}
			a.logs(t, tt.log)
			h.goesOn(t)
		})
	}
}

func TestWhatLibrariesLookForIsNotLogged(t *testing.T) {
	h := newHostile(t)
	a := h.attempt(t, h.guest, Rights{Asked: everything})
	for _, p := range []string{"etc/localtime", "usr/share/zoneinfo/Europe/Berlin", "etc/ssl/certs/ca-certificates.crt"} {
		if out, err := a.ends(t, "files open "+p); out != "2" || err != nil {
			t.Errorf("%s: %q, %v", p, out, err)
		}
	}
	if log := a.log.String(); log != "" {
		t.Errorf("the log is %s", log)
	}
	if out, err := a.ends(t, "files open etc/localtime.old"); out != "2" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	a.logs(t, "/etc/localtime.old is not granted")
}
