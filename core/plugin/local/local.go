// Package local makes a plugin usable that is not installed: the folder of a package, the folder of a project that has
// been built, or a module without a manifest. It lays out a folder of plugins that holds nothing but this one, for a
// plugin.Host, in which the artifacts are links to where they are.
package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// Dist is the folder in a project where its builds go, as a folder of plugins.
const Dist = "dist"

// Package is a plugin that is not installed. Close removes what Open has made.
type Package struct {
	Dir      string             // a folder of plugins with this one only
	Manifest *manifest.Manifest // with the artifacts that are there
	From     string             // the folder of the artifacts
	Bare     bool               // there is no manifest: what it asks for is what is granted
}

// IsPath tells whether an argument names something on disk and not the id of an installed plugin.
func IsPath(arg string) bool {
	if strings.HasSuffix(arg, ".wasm") || strings.HasPrefix(arg, ".") || filepath.IsAbs(arg) {
		return true
	}
	if fi, err := os.Stat(arg); err == nil && fi.Mode().IsRegular() {
		return true
	}
	_, err := os.Stat(filepath.Join(arg, manifest.FileName))
	return err == nil
}

// Describe asks a module that has no manifest what it is. It is called for those only.
type Describe func(code []byte) (d abi.Description, command bool, err error)

// Open finds the plugin at path: a folder with a manifest, or a module, which may lie beside its manifest. A module
// without one asks for all of asks. An artifact that is another than the manifest's digest says is refused with
// manifest.ErrDigest.
func Open(path string, asks manifest.Capabilities, describe Describe) (*Package, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no %s: give a .wasm file, the folder of a plugin, or the id of an installed one, as hearth/node", path)
	case err != nil:
		return nil, err
	}
	p := &Package{From: path}
	if fi.IsDir() {
		err = p.folder()
	} else {
		err = p.file(asks, describe)
	}
	if err != nil {
		return nil, err
	}
	if err := p.digests(); err != nil {
		return nil, err
	}
	if err := p.layOut(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// folder reads a package, or that which a project's build has made.
func (p *Package) folder() error {
	m, err := manifest.Load(p.From)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no %s: `hearth plugin new` begins one", p.From, manifest.FileName)
	}
	if err != nil {
		return err
	}
	if p.Manifest = present(m, p.From); len(p.Manifest.Artifacts) > 0 {
		return nil
	}
	built := filepath.Join(p.From, Dist, filepath.FromSlash(m.ID))
	if m, err := manifest.Load(built); err == nil {
		if p.Manifest = present(m, built); len(p.Manifest.Artifacts) > 0 {
			p.From = built
			return nil
		}
	}
	return fmt.Errorf("%s is not in %s: run `hearth plugin build` there", m.Artifacts[0].File, p.From)
}

// present leaves out the artifacts that are not in the folder.
func present(m *manifest.Manifest, dir string) *manifest.Manifest {
	out := *m
	out.Artifacts = nil
	for _, a := range m.Artifacts {
		if _, err := os.Stat(filepath.Join(dir, a.File)); err == nil {
			out.Artifacts = append(out.Artifacts, a)
		}
	}
	return &out
}

// file reads a module, with the manifest beside it if that speaks of it.
func (p *Package) file(asks manifest.Capabilities, describe Describe) error {
	name := filepath.Base(p.From)
	file := p.From
	p.From = filepath.Dir(p.From)
	m, err := manifest.Load(p.From)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		for _, a := range m.Artifacts {
			if a.File == name {
				m.Artifacts = []manifest.Artifact{a}
				p.Manifest = m
				return nil
			}
		}
	}
	code, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	d, command, err := describe(code)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, k := range d.Kinds {
		if k == manifest.KindFunction {
			return fmt.Errorf("%s has functions, whose arguments only a manifest tells: put its %s beside it", file, manifest.FileName)
		}
	}
	mode := manifest.ModeReactor
	if command {
		mode = manifest.ModeCommand
	}
	p.Bare = true
	p.Manifest = &manifest.Manifest{
		Schema: 1, ID: "local/" + word(strings.TrimSuffix(name, ".wasm")), Version: "0.0.0", ABI: "1", Kinds: d.Kinds, License: "unknown",
		Description: "A module without a manifest.", Capabilities: asks,
		Artifacts: []manifest.Artifact{{Runtime: manifest.RuntimeWasm, Mode: mode, File: name}},
	}
	return nil
}

// word makes a name that an id may have.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	if s = strings.Trim(s[:min(len(s), 63)], "-"); s == "" {
		return "plugin"
	}
	return s
}

// digests compares the artifacts with their digests, and finds those that are missing.
func (p *Package) digests() error {
	for i := range p.Manifest.Artifacts {
		a := &p.Manifest.Artifacts[i]
		file := filepath.Join(p.From, a.File)
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		sum := hex.EncodeToString(h.Sum(nil))
		if a.SHA256 != "" && a.SHA256 != sum {
			return fmt.Errorf("%s is not the file that its manifest speaks of: %w: build the plugin again, or get it anew", file, manifest.ErrDigest)
		}
		a.SHA256 = sum
	}
	return nil
}

// layOut makes the folder of plugins.
func (p *Package) layOut() error {
	text, err := toml.Marshal(p.Manifest)
	if err != nil {
		return fmt.Errorf("manifest of %s: %w", p.Manifest.ID, err)
	}
	if p.Dir, err = os.MkdirTemp("", "hearth-plugin-*"); err != nil {
		return err
	}
	dir := filepath.Join(p.Dir, filepath.FromSlash(p.Manifest.ID))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, a := range p.Manifest.Artifacts {
		if err := os.Symlink(filepath.Join(p.From, a.File), filepath.Join(dir, a.File)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, manifest.FileName), text, 0o600)
}

// Close removes the folder of plugins.
func (p *Package) Close() error {
	if p.Dir == "" {
		return nil
	}
	return os.RemoveAll(p.Dir)
}
