package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hearth-project/hearth/core/plugin/process"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// States of a plugin in a list.
const (
	StateInstalled = "installed" // in the folder, used by nobody
	StateRunning   = "running"   // used by a job or receiver
	StateFailed    = "failed"    // it can't be used as it is: see the error
)

// Status is what List tells of a plugin.
type Status struct {
	ID          string   `json:"id"`
	Version     string   `json:"version,omitempty"`
	Running     string   `json:"running,omitempty"` // version that is used, if it is another than the installed one: a reload changes to that, or error says why not
	Kinds       []string `json:"kinds,omitempty"`
	Description string   `json:"description,omitempty"`
	License     string   `json:"license,omitempty"`
	Runtime     string   `json:"runtime,omitempty"` // wasm or native
	Asks        Asks     `json:"asks"`              // rights
	State       string   `json:"state"`
	Uses        int      `json:"uses"` // by jobs and receivers
	Error       string   `json:"error,omitempty"`

	Processes []process.Status `json:"processes,omitempty"` // of each use of a native plugin
}

// Asks is what a plugin asks to be allowed.
type Asks struct {
	Net     []string `json:"net,omitempty"`
	Files   []string `json:"files,omitempty"`
	Statfs  []string `json:"statfs,omitempty"`
	Secrets []string `json:"secrets,omitempty"`
	Env     []string `json:"env,omitempty"`
}

// AsksOf returns what a manifest asks for.
func AsksOf(m *manifest.Manifest) Asks {
	c := m.Capabilities
	return Asks{Net: c.Net, Files: c.Files, Statfs: c.Statfs, Secrets: c.Secrets, Env: c.Env}
}

// List returns the plugins in the folder, and those that are used though they are there no more, sorted by id.
func (h *Host) List() []Status {
	ids := h.installed()
	h.mu.Lock()
	for c := range h.mu.clients {
		ids = append(ids, c.id)
	}
	h.mu.Unlock()
	slices.Sort(ids)
	out := []Status{}
	for _, id := range slices.Compact(ids) {
		s := Status{ID: id, State: StateInstalled}
		m, err := h.manifest(id)
		if err == nil {
			s.Version, s.Kinds, s.Description, s.License = m.Version, m.Kinds, m.Description, m.License
			s.Asks = AsksOf(m)
			var a *manifest.Artifact
			if a, err = artifact(m, ""); err == nil {
				s.Runtime = a.Runtime
			}
		}
		var pools []*process.Pool
		h.mu.Lock()
		for c := range h.mu.clients {
			if c.id == id {
				s.Uses++
				v := c.version()
				s.Runtime = v.runtime
				if v.Version != s.Version {
					s.Running = v.Version
				}
				if held := c.heldBack(); held != nil {
					s.Error = held.Error()
				}
				if p, ok := v.form.(*process.Pool); ok {
					pools = append(pools, p)
				}
			}
		}
		if err == nil {
			err = h.mu.errors[id]
		}
		h.mu.Unlock()
		for _, p := range pools {
			s.Processes = append(s.Processes, p.Status())
		}
		if s.Uses > 0 {
			s.State = StateRunning
		}
		switch {
		case err == nil:
		case s.Running != "": // whatever is installed now
			s.Error = err.Error()
		default:
			s.State, s.Error = StateFailed, err.Error()
		}
		out = append(out, s)
	}
	return out
}

// installed returns the ids of the folders that hold a manifest.
func (h *Host) installed() []string {
	found, err := filepath.Glob(filepath.Join(globLiteral(h.o.Dir), "*", "*", manifest.FileName))
	if err != nil || h.o.Dir == "" {
		return nil
	}
	ids := make([]string, 0, len(found))
	for _, f := range found {
		dir := filepath.Dir(f)
		ids = append(ids, filepath.Base(filepath.Dir(dir))+"/"+filepath.Base(dir))
	}
	slices.Sort(ids)
	return ids
}

// globLiteral escapes what filepath.Glob would take for a pattern.
func globLiteral(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

func (h *Host) dir(id string) string { return filepath.Join(h.o.Dir, filepath.FromSlash(id)) }

// validID says whether an id may be made into a path.
func validID(id string) bool {
	ns, name, ok := strings.Cut(id, "/")
	plain := func(s string) bool {
		return s != "" && !strings.HasPrefix(s, ".") && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
	}
	return ok && plain(ns) && plain(name)
}

// manifest reads the manifest of an installed plugin.
func (h *Host) manifest(id string) (*manifest.Manifest, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%q is not the id of a plugin: it must be namespace/name, as hearth/node", id)
	}
	if h.o.Dir == "" {
		return nil, errors.New("there is no folder of plugins: set dir of [plugins]")
	}
	m, err := manifest.Load(h.dir(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("it is not installed: %s holds %s", h.o.Dir, nameList(h.installed()))
	}
	if err != nil {
		return nil, err
	}
	if m.ID != id {
		return nil, fmt.Errorf("the manifest in %s is of %s: move it to %s", h.dir(id), m.ID, h.dir(m.ID))
	}
	if m.MinABIMinor > abi.Minor {
		return nil, fmt.Errorf("it needs version 1.%d of the plugin ABI, this hearth has %s: upgrade hearth", m.MinABIMinor, abi.Version)
	}
	return m, nil
}

func nameList(ids []string) string {
	if len(ids) == 0 {
		return "no plugins"
	}
	return strings.Join(ids, ", ")
}
