package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/tsdb"
)

// build makes a database of five parts and a head: requests of two servers, one of which ends after four hours.
func build(t *testing.T, dir string) {
	synctest.Test(t, func(t *testing.T) { // the clock of the test begins in the year 2000
		db, err := tsdb.Open(tsdb.Options{Dir: dir, Sync: "off"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- db.Run(ctx) }()
		add := func(ls labels.Labels, v float64) {
			err := db.Append(ctx, []model.Series{{Labels: ls, Samples: []model.Sample{{T: time.Now().UnixMilli(), V: v}}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range 12 * 60 {
			time.Sleep(time.Minute)
			for _, code := range []string{"200", "404", "500"} {
				add(labels.FromStrings("__name__", "requests_total", "code", code, "instance", "a:80", "job", "web"), float64(i))
				if i < 240 {
					add(labels.FromStrings("__name__", "requests_total", "code", code, "instance", "b:80", "job", "web"), float64(2*i))
				}
			}
			add(labels.FromStrings("__name__", "temperature", "job", "rack", "place", "über \"oben\""), 20+math.Sin(float64(i)))
		}
		add(labels.FromStrings("__name__", "odd", "kind", "infinite"), math.Inf(-1))
		add(labels.FromStrings("__name__", "odd", "kind", "not a number"), math.NaN())
		add(labels.FromStrings("__name__", "odd", "kind", "stale"), math.Float64frombits(value.StaleNaN))
		add(labels.FromStrings("__name__", "a.dotted.name"), 1e100)
		stop()
		if err := errors.Join(<-ran, db.Close()); err != nil {
			t.Fatal(err)
		}
	})
}

// unsteady are the figures that depend on how well samples are packed.
var unsteady = []struct{ re, with string }{
	{`\d+(\.\d+)? ([KMGT]iB|B)\b`, "SIZE"},
	{`\d+ bytes at offset \d+`, "N bytes at offset N"},
	{`the \d+ bytes at \d+ fail`, "the N bytes at N fail"},
	{`cut \d+ bytes`, "cut N bytes"},
	{`\d+\.\d\d\d bytes each`, "N bytes each"},
	{`  \d+\.\d\d\n`, "  RATIO\n"},
	{`("[a-z_]*bytes"|"offset"|"copied"|"snapshot"|"tile_files"|"log_segments"): \d+`, "$1: N"},
	{`checkpoint \d+ \(SIZE\), \d+ tile files`, "checkpoint N (SIZE), N tile files"},
	{`in \d+ files`, "in N files"},
	{`head/\d+\.`, "head/N."},
	{`  +`, "  "},
}

// TestTSDB runs the commands of testdata/tsdb on real databases; `go test -rewrite` refreshes what they print.
func TestTSDB(t *testing.T) {
	made := t.TempDir()
	build(t, made)
	datadriven.RunTest(t, "testdata/tsdb", tsdbScript(t, made))
}

func tsdbScript(t *testing.T, made string) func(t *testing.T, d *datadriven.TestData) string {
	dir := filepath.Join(t.TempDir(), "data")
	file := func(d *datadriven.TestData) string {
		var name string
		d.ScanArgs(t, "file", &name)
		if name == "wal/last" {
			es, err := os.ReadDir(filepath.Join(dir, "wal"))
			if err != nil || len(es) == 0 {
				t.Fatalf("%s: there is no log: %v", d.Pos, err)
			}
			name = "wal/" + es[len(es)-1].Name()
		}
		return filepath.Join(dir, name)
	}
	return func(t *testing.T, d *datadriven.TestData) string {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", d.Pos, err)
			}
		}
		switch d.Cmd {
		case "new": // the database as it was built
			must(os.RemoveAll(filepath.Dir(dir)))
			must(os.CopyFS(dir, os.DirFS(made)))
		case "flip":
			var at int
			d.ScanArgs(t, "at", &at)
			b, err := os.ReadFile(file(d))
			must(err)
			b[(at+len(b))%len(b)] ^= 0x10
			must(os.WriteFile(file(d), b, 0o640))
		case "append":
			f, err := os.OpenFile(file(d), os.O_WRONLY|os.O_APPEND, 0)
			must(err)
			_, err = f.WriteString("torn")
			must(errors.Join(err, f.Close()))
		case "remove":
			must(os.RemoveAll(file(d)))
		case "serving": // the rest of the command runs while a server has the database
			l, err := vfs.OS{}.Lock(filepath.Join(dir, "LOCK"))
			must(err)
			defer l.Close()
			return hearthCommand(t, dir, d.Input)
		case "hearth":
			return hearthCommand(t, dir, d.Input)
		default:
			t.Fatalf("%s: unknown directive %s", d.Pos, d.Cmd)
		}
		return ""
	}
}

// hearthCommand runs a command and returns what it prints and how it ends.
func hearthCommand(t *testing.T, dir, line string) string {
	root := newRoot()
	var args []string
	for _, a := range strings.Split(strings.TrimSpace(line), " ") {
		args = append(args, strings.ReplaceAll(a, "DATA", dir))
	}
	var out bytes.Buffer
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	switch err := root.ExecuteContext(t.Context()); {
	case errors.Is(err, errSaid):
		fmt.Fprintln(&out, "(ends with 1)")
	case err != nil:
		fmt.Fprintf(&out, "hearth: %v\n(ends with 1)\n", err)
	}
	s := strings.ReplaceAll(out.String(), dir, "DATA")
	for _, u := range unsteady {
		s = regexp.MustCompile(u.re).ReplaceAllString(s, u.with)
	}
	return s
}
