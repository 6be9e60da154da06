// Package project begins plugins and builds them: New makes a folder with a plugin that works, its tests and its manifest,
// and Build makes of such a folder a package, which is what a server installs.
//
// A project lies outside of hearth's repository. In Go it requires hearth's module, for the SDK; in other languages it has
// a copy of the SDK and a Makefile that builds the module as `make OUT=FILE`.
package project

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// Templates are texts with {{ }}, whose names end in .tmpl: for all projects in any, else in LANGUAGE/KIND and LANGUAGE/any.
//
//go:embed all:templates
var templates embed.FS

// Spec is what a new project is to be.
type Spec struct {
	Kind     string // exporter, notifier or function
	ID       string // namespace/name
	Language string // of Languages
	Dir      string // where; it may exist, but none of the files
	SDK      SDK
}

// SDK says where a project takes the SDK from.
type SDK struct {
	Version  string // of hearth, as 1.2.3
	Checkout string // folder of hearth's source, which stands for the published module; may be empty
	Guests   fs.FS  // the SDKs of other languages than Go, a folder each
}

// Languages a plugin can be begun in.
func Languages() []string { return []string{"go", "rust", "c", "assemblyscript"} }

var (
	idPattern   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	wordPattern = regexp.MustCompile(`^[a-z]`)
)

// data is what templates see.
type data struct {
	Kind, ID, Language string
	Name               string // the part of the ID after the namespace
	Word               string // the name as the beginning of a metric's
	Function           string // name of the function
	Title, Description string
	GoVersion          string
	Requires           string // lines of go.mod
}

var titles = map[string][2]string{
	manifest.KindExporter: {"metrics of", "Measures how long it takes to connect to a target."},
	manifest.KindNotifier: {"alerts to", "Posts alerts as text to a URL."},
	manifest.KindFunction: {"a function of PromQL", "The share of the samples in a window that are above a limit."},
}

// Check says what is wrong with what was asked for.
func (s *Spec) Check() error {
	switch {
	case s.Kind == manifest.KindDiscoverer:
		return fmt.Errorf("a plugin cannot be a discoverer yet: version %s of the plugin ABI has none", abi.Version)
	case titles[s.Kind][0] == "":
		return fmt.Errorf("kind is %q, must be exporter, notifier or function", s.Kind)
	case !slices.Contains(Languages(), s.Language):
		return fmt.Errorf("language is %q, must be one of %s", s.Language, strings.Join(Languages(), ", "))
	case !has(s.Language, s.Kind):
		return fmt.Errorf("the SDK for %s cannot make a %s: choose another language, as go", s.Language, s.Kind)
	case !idPattern.MatchString(s.ID):
		return fmt.Errorf("name is %q, must be namespace/name in lower case letters, digits and -, as acme/room", s.ID)
	case !wordPattern.MatchString(path.Base(s.ID)) || !wordPattern.MatchString(path.Dir(s.ID)):
		return fmt.Errorf("name is %q: namespace and name must begin with a letter, since metrics and functions are called after them", s.ID)
	}
	return nil
}

// has tells whether there are templates for a kind in a language.
func has(language, kind string) bool {
	_, err := fs.Stat(templates, path.Join("templates", language, kind))
	return err == nil
}

// New makes the project and returns the names of its files. Nothing is overwritten.
func New(s Spec) ([]string, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	files, err := s.files()
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(s.Dir, name)); err == nil {
			return nil, fmt.Errorf("%s is there already: choose another folder with --dir", filepath.Join(s.Dir, name))
		}
	}
	for _, name := range names {
		file := filepath.Join(s.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, files[name], 0o644); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// sdk adds what the project needs to have the SDK: a requirement in Go, a copy otherwise.
func (s *Spec) sdk(d *data, files map[string][]byte) error {
	if s.Language == "go" {
		return s.goModule(d, files)
	}
	copied := 0
	err := fs.WalkDir(s.SDK.Guests, s.Language, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		copied++
		to := "sdk" + strings.TrimPrefix(name, s.Language)
		files[to], err = fs.ReadFile(s.SDK.Guests, name)
		return err
	})
	if err == nil && copied == 0 {
		err = fmt.Errorf("this hearth has no SDK for %s", s.Language)
	}
	return err
}

// files makes the content of all files, by name.
func (s *Spec) files() (map[string][]byte, error) {
	word := strings.NewReplacer("-", "_", "/", "_").Replace
	name := path.Base(s.ID)
	d := data{
		Kind: s.Kind, ID: s.ID, Language: s.Language, Name: name, Word: word(name), Function: word(s.ID),
		Title: titles[s.Kind][0], Description: titles[s.Kind][1],
	}
	if s.Kind != manifest.KindFunction {
		d.Title += " " + name
	}
	files := map[string][]byte{}
	if err := s.sdk(&d, files); err != nil {
		return nil, err
	}
	for _, dir := range []string{"any", s.Language + "/any", s.Language + "/" + s.Kind} {
		err := fs.WalkDir(templates, "templates/"+dir, func(file string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // not every language has any
			}
			if err != nil || e.IsDir() {
				return err
			}
			t, err := template.ParseFS(templates, file)
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := t.Execute(&b, d); err != nil {
				return err
			}
			name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"+dir+"/"), ".tmpl")
			if name == "gitignore" {
				name = ".gitignore"
			}
			files[name] = b.Bytes()
			if strings.HasSuffix(name, ".go") {
				files[name], err = format.Source(b.Bytes())
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}
