package arch

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hearth-project/hearth/"

// arrows lists what each folder may import of this repository, besides its own subfolders and what everyone may.
// A folder that is not listed may import nothing; the longest listed prefix of a package decides.
var arrows = map[string][]string{
	"sdk":               {},
	"sdk/abi":           {},
	"core/model":        {},
	"core/internal":     {},
	"core/config":       {"core/model"},
	"core/exposition":   {"core/model"},
	"core/storage":      {"core/model"},
	"core/tsdb":         {"core/storage"},
	"core/tsdb/chunk":   {"core/storage"},
	"core/tsdb/index":   {"core/storage"},
	"core/tsdb/wal":     {"core/storage", "core/tsdb/chunk"},
	"core/tsdb/head":    {"core/storage", "core/tsdb/chunk", "core/tsdb/index", "core/tsdb/wal"},
	"core/tsdb/block":   {"core/storage", "core/tsdb/chunk", "core/tsdb/index"},
	"core/tsdb/compact": {"core/storage", "core/tsdb/chunk", "core/tsdb/index", "core/tsdb/block"},
	"core/promql":       {"core/storage"},
	"core/promql/plan":  {"core/storage", "core/promql/callout"},
	"core/promql/fn":    {"core/storage", "core/promql/plan"},
	"core/promql/exec":  {"core/storage", "core/promql/plan", "core/promql/fn", "core/promql/callout"},
	"core/discovery":    {"core/config"},
	"core/scrape":       {"core/config", "core/exposition", "core/storage", "core/discovery"},
	"core/push":         {"core/config", "core/exposition", "core/storage"},
	"core/remote":       {"core/config", "core/storage"},
	"core/rules":        {"core/config", "core/storage"},
	"core/limits":       {"core/storage"},
	"core/alert":        {"core/config"},
	"core/plugin":       {"sdk"},
	"core/marketplace":  {"sdk/manifest"},
	"core/web":          {},
	"core/api":          {"core"},
	"core/host":         {"core", "sdk/abi", "sdk/manifest"},
	"core/cmd":          {"core", "sdk"},
	"core/e2e":          {"core"},
	"core/bench":        {"core"},
	"exporters":         {"sdk"},
	"plugins":           {"sdk"},
	"examples":          {"sdk"},
}

// below everything: any part of core may use these.
var everyone = []string{"core/model", "core/internal"}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportsFollowTheArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	n := 0
	for {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
		from, ok := strings.CutPrefix(p.ImportPath, module)
		if !ok {
			continue
		}
		room, allowed, known := roomOf(from)
		if !known {
			t.Errorf("%s has no place in the house: add it to arrows here and to ARCHITECTURE.md", from)
			continue
		}
		for _, imp := range p.Imports {
			to, ok := strings.CutPrefix(imp, module)
			if !ok || within(to, room) || within(to, from) {
				continue
			}
			if strings.HasPrefix(from, "core/") && slices.ContainsFunc(everyone, func(e string) bool { return within(to, e) }) {
				continue
			}
			if !slices.ContainsFunc(allowed, func(a string) bool { return within(to, a) }) {
				t.Errorf("%s imports %s; %s may import %v only", from, to, room, allowed)
			}
		}
	}
	if n < 5 {
		t.Fatalf("go list named only %d packages", n)
	}
}

// roomOf returns the longest listed prefix of a package path and what it may import.
func roomOf(path string) (room string, allowed []string, known bool) {
	for r, a := range arrows {
		if within(path, r) && len(r) > len(room) {
			room, allowed, known = r, a, true
		}
	}
	return room, allowed, known
}

func within(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }
