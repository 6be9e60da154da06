package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is where the repository begins, from here.
const root = "../../.."

var (
	quoted = regexp.MustCompile("`([A-Za-z0-9_.@<>/-]+)`")
	linked = regexp.MustCompile(`\]\(([^)#]+)`)
	asFile = regexp.MustCompile(`^[a-z0-9_./-]+\.(go|md|toml|ts|tsx)$`)
	stored = regexp.MustCompile(`^[0-9]|^(plugin-cache|data|snapshots)/`) // names of data directories
)

// ARCHITECTURE.md follows samples and queries by the names of files. A file that it names is there, and a name without
// a folder is in one that was named before it in the same section, within it or beside it.
func TestTheFilesThatArchitectureNamesAreThere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	paths := tree(t)
	named := 0
	var dirs []string // named in this section
	for _, par := range paragraphs(string(text)) {
		if strings.HasPrefix(par, "#") {
			dirs = nil
		}
		for _, m := range quoted.FindAllStringSubmatch(par, -1) {
			name := m[1]
			isFile := asFile.MatchString(name)
			if strings.ContainsAny(name, "<>@") || stored.MatchString(name) || !isFile && !strings.Contains(name, "/") {
				continue
			}
			named++
			at, ok := resolve(paths, name, dirs)
			if !ok {
				t.Errorf("there is no %s, named after %v in: %.80s...", name, dirs, par)
				continue
			}
			if isFile {
				at = filepath.Dir(at)
			}
			dirs = append(dirs, at)
		}
		for _, m := range linked.FindAllStringSubmatch(par, -1) {
			if !strings.Contains(m[1], "://") && !slices.Contains(paths, filepath.Clean(m[1])) {
				t.Errorf("a link to %s, which is not there", m[1])
			}
		}
	}
	if named < 80 {
		t.Errorf("only %d names were found: the test looks in the wrong places", named)
	}
}

// resolve finds the path that a name stands for: its own, else the end of one within the folders, the last one first.
func resolve(paths []string, name string, dirs []string) (string, bool) {
	for _, p := range []string{name, "core/" + name} {
		if slices.Contains(paths, p) {
			return p, true
		}
	}
	for _, d := range slices.Backward(dirs) {
		for d != "." && d != "core" { // in it or beside it, then above
			for _, p := range paths {
				if within(p, d) && strings.HasSuffix(p, "/"+name) {
					return p, true
				}
			}
			d = filepath.Dir(d)
		}
	}
	return "", false
}

// paragraphs cuts a text at blank lines, items and rows of tables.
func paragraphs(text string) (out []string) {
	starts := regexp.MustCompile(`^(\d+\. |- |\||#)`)
	for line := range strings.Lines(text) {
		if starts.MatchString(line) || strings.TrimSpace(line) == "" || len(out) == 0 {
			out = append(out, "")
		}
		out[len(out)-1] += line
	}
	return out
}

// tree returns the paths of all files and folders.
func tree(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if rel, err := filepath.Rel(root, path); err == nil {
			paths = append(paths, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
