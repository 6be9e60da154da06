package plugin

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearth-project/hearth/sdk/manifest"
)

// upgrade replaces the manifest of the plugin in a folder of plugins, and its module by one that does the same and has other
// bytes.
func upgrade(t testing.TB, plugins, id, version string, change func(string) string) {
	t.Helper()
	dir := filepath.Join(plugins, filepath.FromSlash(id))
	text, err := os.ReadFile(filepath.Join(dir, manifest.FileName))
	if err != nil {
		t.Fatal(err)
	}
	old, err := manifest.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := strings.Replace(string(text), fmt.Sprintf("version = %q", old.Version), fmt.Sprintf("version = %q", version), 1)
	if change != nil {
		s = change(s)
	}
	if err := os.WriteFile(filepath.Join(dir, manifest.FileName), []byte(s), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, old.Artifacts[0].File)
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name := "version" + version // a custom section, which the host drops
	code = append(code, 0, byte(len(name)+1), byte(len(name)))
	if err := os.WriteFile(file, append(code, name...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := manifest.Seal(dir); err != nil {
		t.Fatal(err)
	}
}

// installTiny installs a plugin that is compiled in a moment in a folder of plugins of its own, which it returns.
func installTiny(t testing.TB) string {
	t.Helper()
	plugins := t.TempDir()
	dir := filepath.Join(plugins, "test", "tiny")
	if err := os.CopyFS(dir, os.DirFS("testdata/tiny")); err != nil {
		t.Fatal(err)
	}
	assembleTiny(t, dir)
	if err := manifest.Seal(dir); err != nil {
		t.Fatal(err)
	}
	return plugins
}

func assembleTiny(t testing.TB, dir string) {
	t.Helper()
	out, err := exec.Command("wat2wasm", "-o", filepath.Join(dir, "tiny.wasm"), filepath.Join(dir, "tiny.wat")).CombinedOutput()
	if err != nil {
		t.Fatalf("wat2wasm: %v; it is in the packages of .ci/packages, which make deps installs\n%s", err, out)
	}
}

// calling makes calls all the time, from some goroutines, until stop, which returns how many there were.
func calling(t *testing.T, c *Client) (stop func() int64) {
	t.Helper()
	var calls atomic.Int64
	var wg sync.WaitGroup
	end := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				if _, _, err := c.Collect(t.Context(), "calls"); err != nil {
					t.Errorf("call %d is lost: %v", calls.Load(), err)
					return
				}
				calls.Add(1)
			}
		})
	}
	return func() int64 {
		for calls.Load() < 10 && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		close(end)
		wg.Wait()
		return calls.Load()
	}
}

func (w world) status(id string) Status {
	w.t.Helper()
	for _, s := range w.List() {
		if s.ID == id {
			return s
		}
	}
	w.t.Fatalf("%s is not in the list", id)
	return Status{}
}

func TestANewVersionTakesThePlaceOfTheOldOne(t *testing.T) {
	plugins := installTiny(t)
	w := newWorld(t, plugins)
	a, b := w.open(Use{ID: "test/tiny"}), w.open(Use{ID: "test/tiny", Grant: Grant{Files: []string{"/proc"}}})
	w.Refresh(t.Context()) // nothing has changed
	if strings.Contains(w.log.String(), "new version") {
		t.Errorf("the log is\n%s", w.log)
	}
	stop := calling(t, a)
	for i := range 3 {
		version := fmt.Sprintf("1.1.%d", i)
		upgrade(t, plugins, "test/tiny", version, nil)
		w.Refresh(t.Context())
		if got := a.version().Version; got != version {
			t.Fatalf("version %s runs, want %s:\n%s", got, version, w.log)
		}
		answers(t, b, "", "hello")
	}
	if n := stop(); n < 10 {
		t.Errorf("%d calls", n)
	}
	w.leaving.Wait()
	if n := len(w.mu.modules); n != 1 {
		t.Errorf("%d modules are loaded: the old ones are to be released", n)
	}
	if s := w.status("test/tiny"); s.State != StateRunning || s.Version != "1.1.2" || s.Running != "" || s.Error != "" || s.Uses != 2 {
		t.Errorf("list: %+v", s)
	}
	if n := strings.Count(w.log.String(), "has taken the place"); n != 6 {
		t.Errorf("the log tells of %d changes:\n%s", n, w.log)
	}
}

func TestACallUnderWayEndsInTheOldVersion(t *testing.T) {
	plugins := installTiny(t)
	w := newWorld(t, plugins)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	asked, answer := make(chan struct{}), make(chan struct{})
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		close(asked)
		<-answer
		fmt.Fprintln(conn, "HELLO")
		conn.Close()
	}()
	c := w.open(Use{ID: "test/tiny", Grant: Grant{Net: []string{address}}})
	old := c.version()
	done := make(chan error, 1)
	go func() {
		_, err := say(t, c, "net/tcp/"+address+"#1")
		done <- err
	}()
	<-asked // it is in the guest, and waits
	upgrade(t, plugins, "test/tiny", "2.0.0", nil)
	w.Refresh(t.Context())
	if c.version() == old {
		t.Fatalf("the old version runs still:\n%s", w.log)
	}
	close(answer)
	if err := <-done; err != nil {
		t.Errorf("the call of the old version: %v", err)
	}
}

func TestAVersionThatAsksForMoreWaits(t *testing.T) {
	plugins := installTiny(t)
	w := newWorld(t, plugins)
	c := w.open(Use{ID: "test/tiny", Grant: Grant{Files: []string{"/proc"}}})
	stop := calling(t, c)
	upgrade(t, plugins, "test/tiny", "1.1.0", func(s string) string { return strings.Replace(s, `"/proc", `, `"/proc", "/root", `, 1) })
	w.Refresh(t.Context())
	const why = `version 1.1.0 asks for what version 1.0.0 did not and what is not granted: files = ["/root"]`
	s := w.status("test/tiny")
	if s.State != StateRunning || s.Running != "1.0.0" || s.Version != "1.1.0" || !strings.Contains(s.Error, why) {
		t.Errorf("list: %+v", s)
	}
	if log := w.log.String(); !strings.Contains(log, "the old one goes on") || !strings.Contains(log, "running=1.0.0") {
		t.Errorf("the log is\n%s", log)
	}
	stop()
	granted := w.open(Use{ID: "test/tiny", Grant: Grant{Files: []string{"/proc", "/root"}}})
	if got := granted.version().Version; got != "1.1.0" {
		t.Errorf("a use that grants it has version %s", got)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if s := w.status("test/tiny"); s.Running != "" || s.Error != "" {
		t.Errorf("list: %+v", s)
	}
}

func TestVersionsThatCannotBeOpenedLeaveTheOldOne(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, dir string)
		text   string
	}{
		{"a module that is not the manifest's", func(t *testing.T, dir string) {
			upgrade(t, dir, "test/tiny", "1.1.0", func(s string) string { return s + "\n" })
			truncate(t, filepath.Join(dir, "test/tiny/tiny.wasm"))
		}, "its manifest says"},
		{"a module that is none", func(t *testing.T, dir string) {
			truncate(t, filepath.Join(dir, "test/tiny/tiny.wasm"))
			upgrade(t, dir, "test/tiny", "1.1.0", nil)
		}, "version 1.1.0: wasm module refused"},
		{"a module that breaks off", func(t *testing.T, dir string) {
			text, err := os.ReadFile("testdata/tiny/tiny.wat")
			if err != nil {
				t.Fatal(err)
			}
			source := filepath.Join(dir, "test/tiny/tiny.wat")
			if err := os.WriteFile(source, []byte(strings.Replace(string(text), `"hearth_describe") (result i64)`, `"hearth_describe") (result i64) unreachable`, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			assembleTiny(t, filepath.Dir(source))
			upgrade(t, dir, "test/tiny", "1.1.0", nil)
		}, "version 1.1.0: describe: broke off: unreachable"},
		{"a manifest that is none", func(t *testing.T, dir string) {
			truncate(t, filepath.Join(dir, "test/tiny", manifest.FileName))
		}, manifest.FileName},
		{"no plugin any more", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "test")); err != nil {
				t.Fatal(err)
			}
		}, "it is not installed"},
		{"a plugin of another kind", func(t *testing.T, dir string) {
			upgrade(t, dir, "test/tiny", "1.1.0", func(s string) string { return strings.Replace(s, `"exporter"`, `"notifier"`, 1) })
		}, "is no exporter any more"},
		{"a grant that it does not ask for any more", func(t *testing.T, dir string) {
			upgrade(t, dir, "test/tiny", "1.1.0", func(s string) string { return strings.Replace(s, `"/proc", `, "", 1) })
		}, "which the plugin does not ask for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plugins := installTiny(t)
			w := newWorld(t, plugins)
			c := w.open(Use{ID: "test/tiny", Grant: Grant{Files: []string{"/proc"}}})
			tt.change(t, plugins)
			for range 2 {
				w.Refresh(t.Context())
				answers(t, c, "", "hello")
			}
			if s := w.status("test/tiny"); s.State != StateRunning || s.Running != "1.0.0" || !strings.Contains(s.Error, tt.text) {
				t.Errorf("want %q, list: %+v", tt.text, s)
			}
		})
	}
}

func truncate(t *testing.T, file string) {
	t.Helper()
	if err := os.Truncate(file, 12); err != nil {
		t.Fatal(err)
	}
}

func TestAProgramIsReplacedToo(t *testing.T) {
	plugins := t.TempDir()
	if err := os.CopyFS(plugins, os.DirFS(withProgram(t, installGuest(t), "./testdata/guest", "test/guest"))); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, plugins)
	c := w.open(Use{Runtime: manifest.RuntimeNative, Trust: manifest.RuntimeNative})
	stop := calling(t, c)
	upgrade(t, plugins, "test/guest", "1.1.0", nil)
	w.Refresh(t.Context())
	if got := c.version().Version; got != "1.1.0" {
		t.Errorf("version %s runs:\n%s", got, w.log)
	}
	stop()
}

// reloads is how often TestReloadsWithoutGrowth replaces a plugin: a few times, or in a soak for ten minutes.
func reloads() (n int, pause time.Duration) {
	if os.Getenv("HEARTH_SOAK") != "" {
		return 240, 2500 * time.Millisecond
	}
	return 24, 0
}

func TestReloadsWithoutGrowth(t *testing.T) {
	plugins := installTiny(t)
	w := newWorld(t, plugins)
	c := w.open(Use{ID: "test/tiny"})
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("there is no procfs here: ", err)
		}
		return len(entries)
	}
	mappings := func() int { // the memory of instances and compiled code is not Go's
		text, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n")
	}
	type size struct {
		goroutines, descriptors, mappings, modules, instances int
		heap                                                  uint64
	}
	measure := func() size {
		w.leaving.Wait()
		runtime.GC()
		runtime.GC() // what the first one's finalizers let go
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.mu.Lock()
		modules := len(w.mu.modules)
		w.mu.Unlock()
		return size{runtime.NumGoroutine(), descriptors(), mappings(), modules, w.engine.Instances(), m.HeapInuse}
	}
	n, pause := reloads()
	var first size
	for i := range n {
		upgrade(t, plugins, "test/tiny", fmt.Sprintf("1.1.%d", i), nil)
		stop := calling(t, c)
		w.Refresh(t.Context())
		calls := stop()
		if got := c.version().Version; got != fmt.Sprintf("1.1.%d", i) || t.Failed() {
			t.Fatalf("reload %d: version %s runs, after %d calls", i, got, calls)
		}
		if i == 1 {
			first = measure()
		}
		time.Sleep(pause)
	}
	last := measure()
	t.Logf("after 2 reloads %+v, after %d %+v", first, n, last)
	if last.goroutines > first.goroutines+5 || last.descriptors > first.descriptors+5 || last.mappings > first.mappings+30 || last.modules != 1 || last.instances > 3 || last.heap > first.heap+first.heap/2+32<<20 {
		t.Errorf("it grows: after 2 reloads %+v, after %d %+v", first, n, last)
	}
	if kept, err := filepath.Glob(filepath.Join(built.dir, "cache", "test", "tiny", "*")); err != nil || len(kept) > 1 {
		t.Errorf("%d folders of compiled modules are kept, %v", len(kept), err)
	}
	answers(t, c, "", "hello")
}

func TestModulesAreLoadedAheadOfTheirUse(t *testing.T) {
	w := newWorld(t, installTiny(t))
	modules := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.mu.modules)
	}
	uses := []Use{{ID: "test/tiny"}, {ID: "test/none"}, {ID: "test/tiny", Grant: Grant{Files: []string{"/proc"}}}}
	release := w.Warm(t.Context(), uses)
	if n := modules(); n != 1 {
		t.Errorf("%d modules are loaded", n)
	}
	c := w.open(uses[0])
	release()
	answers(t, c, "", "hello")
	if err := c.Close(); err != nil || modules() != 0 {
		t.Errorf("%d modules stay, %v", modules(), err)
	}
	if w.Warm(t.Context(), uses)(); modules() != 0 {
		t.Errorf("%d modules stay that nobody uses", modules())
	}
}
