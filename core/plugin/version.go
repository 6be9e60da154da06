package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/core/plugin/wasm"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// version is a version of a plugin that runs with a client's settings and rights. A client has one at a time; another may
// take its place while the client is called, see Host.Refresh.
type version struct {
	form
	*manifest.Manifest
	runtime   string
	missing   []string // what it asks for and is not granted
	templates []model.Template
}

// plan is a version that is about to run.
type plan struct {
	version
	artifact *manifest.Artifact
	rights   wasm.Rights
	settings []byte
}

// plan decides whether and how what is installed may run for a use.
func (h *Host) plan(u Use) (*plan, error) {
	m, err := h.manifest(u.ID)
	if err != nil {
		return nil, err
	}
	p := &plan{version: version{Manifest: m, templates: templates(m.Templates, u.Config)}}
	if p.artifact, err = artifact(m, u.Runtime); err != nil {
		return nil, err
	}
	p.runtime = p.artifact.Runtime
	if err := trusted(p.artifact, u); err != nil {
		return nil, err
	}
	if p.rights, p.missing, err = decide(m.Capabilities, u.Grant); err != nil {
		return nil, err
	}
	p.settings, err = encodeSettings(u.Config)
	return p, err
}

// exchange makes a call of the version that is in place. A call that comes when that has just been replaced is made of the
// next one: nothing of it has been done.
func (c *Client) exchange(ctx context.Context, r guest.Request) ([]byte, guest.Usage, error) {
	for {
		v := c.version()
		out, usage, err := v.Call(ctx, r)
		if !errors.Is(err, guest.ErrClosed) || c.version() == v {
			return out, usage, err
		}
	}
}

func (c *Client) version() *version { return c.now.Load() }

// replace puts v in the place of the version that is used, and gives that up when its calls have ended.
func (c *Client) replace(v *version) {
	c.mu.Lock()
	var old *version
	if c.mu.closed {
		old = v
	} else {
		old = c.now.Swap(v)
	}
	c.mu.Unlock()
	c.host.leaving.Go(func() {
		if err := old.Close(); err != nil {
			c.host.log.Error("the old version of a plugin could not be given up in order", "plugin", c.id, "version", old.Version, "err", err)
		}
	})
}

// Refresh looks at what is installed now. Where a plugin that is used has been replaced by another version, that is
// opened beside the one that runs and takes its place; calls under way end in the old one, and none is lost. If the new
// version can't be opened, or asks for more than the old one did and that is not granted, the old one goes on: the log
// says why, and List.
func (h *Host) Refresh(ctx context.Context) {
	h.refreshing.Lock()
	defer h.refreshing.Unlock()
	h.mu.Lock()
	clients := slices.Collect(maps.Keys(h.mu.clients))
	if h.mu.closed {
		clients = nil
	}
	h.mu.Unlock()
	slices.SortFunc(clients, func(a, b *Client) int { return strings.Compare(a.id, b.id) })
	for _, c := range clients {
		was := c.version()
		logger := h.log.With("plugin", c.id, "running", was.Version)
		v, err := h.next(ctx, c, was, logger)
		switch {
		case err != nil:
			logger.Error("the new version of the plugin is not used, the old one goes on", "err", err)
		case v != nil:
			c.replace(v)
			logger.Info("a new version of the plugin has taken the place of the old one", "version", v.Version)
		}
		c.mu.Lock()
		c.mu.held = err
		c.mu.Unlock()
	}
}

// next opens the version of a client that is installed, or returns nil if that runs already.
func (h *Host) next(ctx context.Context, c *Client, was *version, logger *slog.Logger) (*version, error) {
	p, err := h.plan(c.use)
	switch {
	case err != nil:
		return nil, err
	case reflect.DeepEqual(p.Manifest, was.Manifest):
		return nil, nil
	}
	more := slices.DeleteFunc(slices.Clone(p.missing), func(right string) bool { return slices.Contains(was.missing, right) })
	if len(more) > 0 {
		return nil, fmt.Errorf("version %s asks for what version %s did not and what is not granted: %s; grant it, or install the old version again",
			p.Version, was.Version, strings.Join(more, ", "))
	}
	for _, kind := range was.Kinds {
		if !slices.Contains(p.Kinds, kind) {
			return nil, fmt.Errorf("version %s is no %s any more, which it is used as", p.Version, kind)
		}
	}
	v := p.version
	if v.form, err = h.run(ctx, p.Manifest, p.artifact, p.rights, p.settings, logger); err != nil {
		return nil, fmt.Errorf("version %s: %w", p.Version, err)
	}
	if err := c.check(ctx, &v); err != nil {
		return nil, errors.Join(fmt.Errorf("version %s: %w", p.Version, err), v.Close())
	}
	return &v, nil
}

// heldBack returns why the version that is installed does not run, or nil.
func (c *Client) heldBack() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.held
}

// running returns the manifest of a plugin's version that runs, or nil if none does.
func (h *Host) running(id string) *manifest.Manifest {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.mu.clients {
		if c.id == id {
			return c.version().Manifest
		}
	}
	return nil
}
