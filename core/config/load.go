package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

const maxFile = 16 << 20 // bytes of one configuration file

// Load reads the configuration in the file path: config.toml, or a prometheus.yml (told by its name, or by its
// content when the name says neither). Everything that is wrong comes back at once as Problems; an error of
// another type means that the file could not be read.
func Load(path string) (*Config, error) {
	l := newLoader()
	data, err := l.read(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return l.load(data, path)
}

// Parse is Load for a configuration that was read already. Name is the file's, for messages, for relative paths,
// and to tell TOML from YAML; files it includes are read.
func Parse(data []byte, name string) (*Config, error) {
	return newLoader().load(data, name)
}

// loader reads one configuration from all its files.
type loader struct {
	report
	read  func(path string) ([]byte, error)
	glob  func(pattern string) ([]string, error)
	env   func(name string) (string, bool)
	files []string // in order of reading
}

func newLoader() *loader {
	return &loader{read: readFile, glob: filepath.Glob, env: os.LookupEnv}
}

// readFile reads a file of at most maxFile bytes.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than 16 MiB: is it a configuration file?", path)
	}
	return data, err
}

// dir returns the folder relative paths in a file start from.
func (l *loader) dir(file string) string {
	d, err := filepath.Abs(filepath.Dir(file))
	if err != nil { // the working directory is gone
		return filepath.Dir(file)
	}
	return d
}

func (l *loader) load(data []byte, name string) (*Config, error) {
	root, ok := l.parse(data, name)
	if !ok {
		return nil, l.problems
	}
	if root.yaml {
		root = convertPrometheus(root, &l.report)
	}
	l.include(root)
	l.scrapeFiles(root)

	c := newConfig()
	d := &decoder{report: &l.report, places: map[any]Pos{}, env: l.env, dir: l.dir}
	d.decode(root, reflect.ValueOf(c).Elem(), "")
	c.File, c.Dir = name, l.dir(name)
	(&checker{report: &l.report, cfg: c, places: d.places}).check()
	if len(l.problems) > 0 {
		return nil, l.problems.sorted(l.files)
	}
	for _, w := range l.warnings.sorted(l.files) {
		c.Warnings = append(c.Warnings, w.Error())
	}
	return c, nil
}

// parse reads the text of one file.
func (l *loader) parse(data []byte, name string) (*node, bool) {
	l.files = append(l.files, name)
	if isYAML(data, name) {
		return readYAML(data, name, &l.report)
	}
	return readTOML(data, name, &l.report)
}

// isYAML tells a prometheus.yml from a config.toml.
func isYAML(data []byte, name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yml", ".yaml":
		return true
	case ".toml":
		return false
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		return line == "---" || strings.HasSuffix(line, ":") || strings.Contains(line, ": ") && !strings.Contains(line, "=")
	}
	return false
}

// include merges the files that a top-level include names into root.
func (l *loader) include(root *node) {
	for _, f := range l.matches(root.get("include"), "include") {
		if isYAML(nil, f.path) {
			l.problem(f.at, "include: %s is YAML; only TOML files can be parts of a configuration", f.path)
			continue
		}
		part, ok := l.file(f)
		if !ok {
			continue
		}
		for _, e := range part.keys {
			if e.name == "include" {
				l.problem(e.pos, "include may only stand in the first file")
			}
		}
		part.drop("include")
		root.merge(part, &l.report, "")
	}
}

// scrapeFiles appends the jobs of the files that scrape_config_files names.
func (l *loader) scrapeFiles(root *node) {
	for _, f := range l.matches(root.get("scrape_config_files"), "scrape_config_files") {
		part, ok := l.file(f)
		if !ok {
			continue
		}
		for _, e := range part.keys {
			if e.name != "scrape_configs" {
				l.problem(e.pos, "unknown key %q: this file may hold scrape_configs only", e.name)
			}
		}
		if part.yaml {
			part = convertPrometheus(part, &l.report)
		}
		if jobs := part.get("scrape_configs"); jobs != nil {
			root.merge(&node{kind: kindTable, keys: []entry{{"scrape_configs", jobs.pos, jobs}}}, &l.report, "")
		}
	}
}

// match is a file that a glob found, and where the glob stands.
type match struct {
	path string
	at   Pos
}

// matches finds the files that the globs in list name, in order and each once. A glob that matches nothing is no
// problem; a path without wildcards must exist.
func (l *loader) matches(list *node, key string) []match {
	if list == nil || list.kind != kindList {
		return nil // a wrong kind is for the decoder to tell
	}
	var found []match
	for _, it := range list.items {
		if it.kind != kindText {
			continue
		}
		pattern := it.text
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(filepath.Dir(it.pos.File), pattern)
		}
		paths, err := l.glob(pattern)
		if err != nil {
			l.problem(it.pos, "%s: bad pattern %q", key, it.text)
		}
		if err == nil && len(paths) == 0 && !strings.ContainsAny(pattern, "*?[") {
			l.problem(it.pos, "%s: no file %s", key, pattern)
		}
		for _, p := range paths {
			if !slices.ContainsFunc(found, func(m match) bool { return m.path == p }) {
				found = append(found, match{p, it.pos})
			}
		}
	}
	return found
}

// file reads and parses a file that another names.
func (l *loader) file(m match) (*node, bool) {
	data, err := l.read(m.path)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		l.problem(m.at, "%s: %s", m.path, err)
		return nil, false
	}
	return l.parse(data, m.path)
}
