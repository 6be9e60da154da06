package rofs

import (
	"errors"

	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	wsys "github.com/tetratelabs/wazero/experimental/sys"
)

// read reads a whole file of the tree.
func read(f *FS, p string) (string, wsys.Errno) {
	file, e := f.OpenFile(strings.TrimPrefix(p, "/"), wsys.O_RDONLY, 0)
	if e != 0 {
		return "", e
	}
	defer file.Close()
	var out []byte
	b := make([]byte, 512)
	for {
		n, e := file.Read(b)
		if e != 0 || n == 0 {
			return string(out), e
		}
		out = append(out, b[:n]...)
	}
}

func list(t *testing.T, f *FS, p string) []string {
	t.Helper()
	file, e := f.OpenFile(strings.TrimPrefix(p, "/"), wsys.O_RDONLY|wsys.O_DIRECTORY, 0)
	if e != 0 {
		t.Fatalf("open %s: %v", p, e)
	}
	defer file.Close()
	var names []string
	for {
		entries, e := file.Readdir(2)
		if e != 0 {
			t.Fatalf("list %s: %v", p, e)
		}
		for _, entry := range entries {
			names = append(names, entry.Name)
		}
		if len(entries) < 2 {
			return names
		}
	}
}

// world makes folders with files and links and returns where.
func world(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for p, text := range map[string]string{
		"granted/a": "A", "granted/deep/b": "B", "other/c": "C", "secret/d": "D", "single": "S", "neighbour": "N",
	} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, p)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, p), []byte(text), 0o644))
	}
	for link, to := range map[string]string{
		"granted/inside": "deep/b", "granted/up": "../secret/d", "granted/absolute": filepath.Join(dir, "secret/d"), "granted/root": "/",
		"granted/across": "../other/c", "granted/acrossdir": filepath.Join(dir, "other"), "granted/loop": "loop2", "granted/loop2": "../granted/loop",
		"granted/nowhere": "gone", "linked": "granted", "granted/self": ".", "granted/environ": "/proc/self/environ", "granted/tosecret": "/secrets/password",
	} {
		must(t, os.Symlink(to, filepath.Join(dir, link)))
	}
	must(t, syscall.Mkfifo(filepath.Join(dir, "granted/pipe"), 0o644))
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOnlyWhatIsGrantedIsSeen(t *testing.T) {
	for name, slow := range map[string]bool{"resolved by the kernel": false, "resolved by os.Root": true} {
		t.Run(name, func(t *testing.T) { testOnlyWhatIsGrantedIsSeen(t, slow) })
	}
}

func testOnlyWhatIsGrantedIsSeen(t *testing.T, slow bool) {
	dir := world(t)
	var refused []string
	f := New(Config{
		Paths:   []string{dir + "/granted", dir + "/other", dir + "/single", dir + "/absent"},
		Refused: func(p string, _ Refusal) { refused = append(refused, strings.TrimPrefix(p, dir)) },
	})
	f.slow = slow
	t.Cleanup(func() { must(t, f.Close()) })
	for _, tt := range []struct {
		name, path, text string
		errno            wsys.Errno
	}{
		{"a file in a granted folder", "/granted/a", "A", 0},
		{"a file further down", "/granted/deep/b", "B", 0},
		{"a granted file", "/single", "S", 0},
		{"its neighbour", "/neighbour", "", wsys.EACCES},
		{"what only begins like a granted path", "/grantedx", "", wsys.EACCES},
		{"a file that is not there", "/granted/none", "", wsys.ENOENT},
		{"a granted path that is not there", "/absent/x", "", wsys.ENOENT},
		{"a folder nobody granted", "/secret/d", "", wsys.EACCES},
		{"the way up", "/granted/../secret/d", "", wsys.EACCES},
		{"the way up and down again", "/granted/deep/../a", "A", 0},
		{"more ways up than there are", "/../../../../../../../../etc/passwd", "", wsys.EACCES},
		{"a link inside", "/granted/inside", "B", 0},
		{"a link to what is above", "/granted/up", "", wsys.EACCES},
		{"an absolute link", "/granted/absolute", "", wsys.EACCES},
		{"a link to the root", "/granted/root/etc/passwd", "", wsys.EACCES},
		{"a link to another granted folder", "/granted/across", "C", 0},
		{"a linked folder that is granted", "/granted/acrossdir/c", "C", 0},
		{"links in a circle", "/granted/loop", "", wsys.ELOOP},
		{"a link to nowhere", "/granted/nowhere", "", wsys.ENOENT},
		{"a link to itself many times", "/granted/self/self/self/a", "A", 0},
		{"a link to the server's environment", "/granted/environ", "", wsys.EACCES},
		{"a link to a secret that is not granted", "/granted/tosecret", "", wsys.ENOENT},
		{"a pipe, which would wait for a writer", "/granted/pipe", "", wsys.EACCES},
		{"a file as a folder", "/granted/a/b", "", wsys.ENOTDIR},
		{"a granted file as a folder", "/single/b", "", wsys.ENOTDIR},
		{"a folder as a file", "/granted/deep", "", wsys.EISDIR},
		{"a path of five thousand letters", "/granted/" + strings.Repeat("x", 5000), "", wsys.ENAMETOOLONG},
		{"a path with a zero", "/granted/a\x00b", "", wsys.EINVAL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, e := read(f, dir+tt.path)
			if text != tt.text || e != tt.errno {
				t.Errorf("%s: got %q, %v, want %q, %v", tt.path, text, e, tt.text, tt.errno)
			}
		})
	}
	if f.open != 0 {
		t.Errorf("%d files are open still", f.open)
	}
	for _, want := range []string{"/neighbour", "/secret/d", "/etc/passwd"} {
		if !slices.Contains(refused, want) {
			t.Errorf("nobody was told of %s, only of %q", want, refused)
		}
	}
}

func TestAGrantMayBeALink(t *testing.T) {
	dir := world(t)
	f := New(Config{Paths: []string{dir + "/linked"}})
	t.Cleanup(func() { must(t, f.Close()) })
	if text, e := read(f, dir+"/linked/a"); text != "A" || e != 0 {
		t.Errorf("got %q, %v", text, e)
	}
}

func TestFoldersOnTheWay(t *testing.T) {
	dir := world(t)
	f := New(Config{
		Paths: []string{dir + "/granted/deep", dir + "/single"}, Secrets: map[string]func() (string, error){"password": nil, "token": nil},
		Mounts: map[string]wsys.FS{"net": wsys.UnimplementedFS{}},
	})
	t.Cleanup(func() { must(t, f.Close()) })
	top := strings.Split(dir, "/")[1]
	for p, want := range map[string][]string{
		"/": {"net", "secrets", top}, dir: {"granted", "single"}, dir + "/granted": {"deep"}, dir + "/granted/deep": {"b"}, "/secrets": {"password", "token"},
	} {
		if got := list(t, f, p); !slices.Equal(got, want) {
			t.Errorf("%s holds %q, want %q", p, got, want)
		}
		if st, e := f.Stat(p); e != 0 || !st.Mode.IsDir() {
			t.Errorf("%s is %v, %v", p, st.Mode, e)
		}
	}
}

func TestNothingIsWritten(t *testing.T) {
	dir := world(t)
	f := New(Config{Paths: []string{dir + "/granted"}})
	t.Cleanup(func() { must(t, f.Close()) })
	p := strings.TrimPrefix(dir, "/") + "/granted/a"
	for _, flag := range []wsys.Oflag{wsys.O_RDWR, wsys.O_WRONLY, wsys.O_CREAT, wsys.O_TRUNC, wsys.O_APPEND, wsys.O_CREAT | wsys.O_EXCL} {
		if _, e := f.OpenFile(p, flag, 0o644); e != wsys.EROFS {
			t.Errorf("open with %#x: %v", flag, e)
		}
	}
	file, e := f.OpenFile(p, wsys.O_RDONLY, 0)
	if e != 0 {
		t.Fatal(e)
	}
	defer file.Close()
	_, we := file.Write([]byte("x"))
	_, pe := file.Pwrite([]byte("x"), 0)
	for what, e := range map[string]wsys.Errno{
		"write": we, "pwrite": pe, "truncate": file.Truncate(0), "utimens": file.Utimens(0, 0), "unlink": f.Unlink(p), "rename": f.Rename(p, p+"2"),
		"link": f.Link(p, p+"2"), "symlink": f.Symlink("a", p+"2"), "mkdir": f.Mkdir(p+"2", 0o755), "rmdir": f.Rmdir(p), "chmod": f.Chmod(p, 0),
	} {
		if e == 0 {
			t.Errorf("%s succeeded", what)
		}
	}
	if text, _ := os.ReadFile("/" + p); string(text) != "A" {
		t.Errorf("the file is %q now", text)
	}
}

func TestSecretsAreReadAnew(t *testing.T) {
	value, fail, trouble := "one", false, 0
	f := New(Config{
		Secrets: map[string]func() (string, error){"password": func() (string, error) {
			if fail {
				return "", errors.New("gone")
			}
			return value, nil
		}},
		Trouble: func(string, error) { trouble++ },
	})
	for _, v := range []string{"one", "two", ""} {
		value = v
		if got, e := read(f, "/secrets/password"); got != v || e != 0 {
			t.Errorf("got %q, %v, want %q", got, e, v)
		}
	}
	if _, e := read(f, "/secrets/other"); e != wsys.ENOENT {
		t.Errorf("a secret that is not granted: %v", e)
	}
	fail = true
	if _, e := read(f, "/secrets/password"); e != wsys.EIO || trouble != 1 {
		t.Errorf("a secret that can't be read: %v, told %d times", e, trouble)
	}
}

func TestOpenFilesAreCounted(t *testing.T) {
	dir := world(t)
	f := New(Config{Paths: []string{dir + "/granted"}, MaxFiles: 2})
	t.Cleanup(func() { must(t, f.Close()) })
	p := strings.TrimPrefix(dir, "/") + "/granted/a"
	a, e1 := f.OpenFile(p, wsys.O_RDONLY, 0)
	b, e2 := f.OpenFile(p, wsys.O_RDONLY, 0)
	if _, e := f.OpenFile(p, wsys.O_RDONLY, 0); e1 != 0 || e2 != 0 || e != wsys.EAGAIN {
		t.Fatalf("got %v, %v, then %v", e1, e2, e)
	}
	a.Close()
	c, e := f.OpenFile(p, wsys.O_RDONLY, 0)
	if e != 0 {
		t.Fatalf("after a close: %v", e)
	}
	b.Close()
	c.Close()
}

func TestProc(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no procfs here: ", err)
	}
	t.Setenv("HEARTH_TEST_SECRET", "visible")
	// The same rules hold wherever a procfs can be reached: here by its own name and as a part of everything.
	for grant, slow := range map[string]bool{"/proc": false, "/": false, "/proc/": true} {
		f := New(Config{Paths: []string{path.Clean(grant)}})
		f.slow = slow
		for _, p := range []string{
			"/proc/self/environ", "/proc/self/root/etc/passwd", "/proc/self/cwd/rofs.go", "/proc/self/exe", "/proc/self/fd/0", "/proc/self/mem", "/proc/self/maps",
			"/proc/self/cmdline", "/proc/self/auxv", "/proc/self/ns/net", "/proc/self/smaps", "/proc/self/map_files", "/proc/thread-self/environ",
			"/proc/1/environ", "/proc/1/root/etc/passwd", "/proc/self/task/self/environ", "/proc/self/task/1/../../environ", "/proc/self/./environ",
			"/proc//self//environ", "/proc/kcore", "/proc/kallsyms", "/proc/kmsg", "/proc/keys", "/proc/sysrq-trigger", "/proc/self/net/../environ",
		} {
			if text, e := read(f, p); e != wsys.EACCES || text != "" {
				t.Errorf("grant %s: %s: %d bytes, %v", grant, p, len(text), e)
			}
		}
		self, err := os.Readlink("/proc/self")
		must(t, err)
		if text, e := read(f, "/proc/"+self+"/task/"+self+"/environ"); e != wsys.EACCES {
			t.Errorf("a thread's environment: %d bytes, %v", len(text), e)
		}
		for _, p := range []string{"/proc/stat", "/proc/meminfo", "/proc/mounts", "/proc/net/dev", "/proc/self/stat", "/proc/self/mounts", "/proc/1/status", "/proc/" + self + "/task/" + self + "/stat"} {
			if text, e := read(f, p); e != 0 || text == "" {
				t.Errorf("grant %s: %s: %q, %v", grant, p, text, e)
			}
		}
		names := list(t, f, "/proc/self")
		if slices.Contains(names, "environ") || slices.Contains(names, "fd") || !slices.Contains(names, "stat") {
			t.Errorf("/proc/self holds %q", names)
		}
		must(t, f.Close())
	}
}

func TestProcRulesWhereverItIsMounted(t *testing.T) {
	for p, want := range map[string]bool{
		"/host/proc/1/environ": true, "/proc/7/task/8/mem": true, "/7/proc/9/environ": true, "/host/proc/kcore": true, "/proc/1/root/proc/2/stat": true,
		"/proc/1/stat": false, "/proc/stat": false, "/host/proc/1/task/1/stat": false, "/proc/1/net/dev": false, "/proc/sys/kernel/random/entropy_avail": false,
	} {
		if got := deniedSomewhere(p); got != want {
			t.Errorf("%s: denied is %v", p, got)
		}
	}
}

// TestAnotherProcfs has one that is mounted elsewhere, as containers do with the host's.
func TestAnotherProcfs(t *testing.T) {
	dir, err := os.MkdirTemp("", "rofs") // t.TempDir has a part that might be a process
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	dir, err = filepath.EvalSymlinks(dir)
	must(t, err)
	at := filepath.Join(dir, "host", "proc")
	must(t, os.MkdirAll(at, 0o755))
	if err := syscall.Mount("proc", at, "proc", 0, ""); err != nil {
		t.Skip("nothing can be mounted here: ", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(at, 0)) })
	for _, slow := range []bool{false, true} {
		f := New(Config{Paths: []string{dir}})
		f.slow = slow
		for _, name := range []string{"cwd", "root", "exe", "fd/0"} {
			if target, e := f.Readlink(at + "/self/" + name); e != wsys.EACCES || target != "" {
				t.Errorf("%s leads to %q, %v", name, target, e)
			}
		}
		for _, name := range []string{"environ", "mem", "maps", "cmdline", "root/etc/passwd", "task/" + strconv.Itoa(os.Getpid()) + "/environ"} {
			if text, e := read(f, at+"/self/"+name); e == 0 || text != "" {
				t.Errorf("%s: %d bytes, %v", name, len(text), e)
			}
		}
		if text, e := read(f, at+"/self/stat"); e != 0 || text == "" {
			t.Errorf("figures of a process: %q, %v", text, e)
		}
		if _, e := f.Readlink(at + "/mounts"); e != 0 {
			t.Errorf("a link that may be read: %v", e)
		}
		must(t, f.Close())
	}
}

func FuzzNothingLeaksOut(f *testing.F) {
	for _, p := range []string{"/proc/self/environ", "/proc/self/task/1/../environ", "proc/self/root/proc/self/environ", "/etc/passwd", "/proc/self/../self/fd/1"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		fsys := New(Config{Paths: []string{"/proc"}})
		defer fsys.Close()
		file, e := fsys.OpenFile(p, wsys.O_RDONLY, 0)
		if e != 0 {
			return
		}
		defer file.Close()
		r, ok := file.(*realFile)
		if !ok {
			return // a folder on the way
		}
		fd := ""
		conn, err := r.f.SyscallConn()
		must(t, err)
		must(t, conn.Control(func(n uintptr) { fd, err = os.Readlink(filepath.Join("/proc/self/fd", strconv.Itoa(int(n)))) }))
		must(t, err)
		if !within(fd, "/proc") || procDenied(fd) {
			t.Errorf("%q opened %s", p, fd)
		}
	})
}
