package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// Use is one use of a plugin: which, in what form, with what settings, and what it may touch.
type Use struct {
	ID      string         // namespace/name, as hearth/node
	Runtime string         // manifest.RuntimeWasm or RuntimeNative; empty: the module if there is one
	Trust   string         // manifest.RuntimeNative allows a program, which nothing confines to its grant; sha256:DIGEST allows that one
	Config  map[string]any // the plugin's own settings
	Grant   Grant
}

// Times of calls for which neither the caller nor the manifest gives one.
const (
	defaultTimeout = 10 * time.Second
	evalTimeout    = time.Second      // of a batch of a function
	startTimeout   = 30 * time.Second // of describing and configuring, at Open
)

// Client is a plugin in use. It is safe for concurrent use.
type Client struct {
	host    *Host
	id      string
	kinds   []string
	funcs   []manifest.Function
	timeout time.Duration // of a call, by the manifest; 0 if it says none
	form    form
	runtime string // of form
	close   sync.Once
	err     error // of close

	templates []model.Template
}

// Open makes a plugin ready for calls: it is loaded, asked what it is, and configured. An error says what to change; a
// plugin that only can't reach something yet is opened all the same, and its calls say so.
func (h *Host) Open(ctx context.Context, u Use) (*Client, error) {
	c, err := h.open(ctx, u)
	if err != nil {
		err = fmt.Errorf("plugin %s: %w", u.ID, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.mu.errors[u.ID] = err
		return nil, err
	}
	delete(h.mu.errors, u.ID)
	return c, nil
}

func (h *Host) open(ctx context.Context, u Use) (_ *Client, err error) {
	m, err := h.manifest(u.ID)
	if err != nil {
		return nil, err
	}
	a, err := artifact(m, u.Runtime)
	if err != nil {
		return nil, err
	}
	if err := trusted(a, u); err != nil {
		return nil, err
	}
	rights, missing, err := decide(m.Capabilities, u.Grant)
	if err != nil {
		return nil, err
	}
	settings, err := encodeSettings(u.Config)
	if err != nil {
		return nil, err
	}
	logger := h.log.With("plugin", u.ID)
	c := &Client{host: h, id: u.ID, kinds: m.Kinds, funcs: m.Functions, timeout: m.Limits.Timeout.Std(), runtime: a.Runtime, templates: templates(m.Templates, u.Config)}
	if c.form, err = h.run(ctx, m, a, rights, settings, logger); err != nil {
		return nil, err
	}
	h.mu.Lock()
	closed := h.mu.closed
	if !closed {
		h.mu.clients[c] = struct{}{}
	}
	h.mu.Unlock()
	if closed {
		return nil, errors.Join(ErrClosed, c.Close())
	}
	if err := c.check(ctx, logger); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if len(missing) > 0 {
		logger.Info("the plugin asks for more than it is granted; what it can't do without it will say", "not_granted", strings.Join(missing, ", "))
	}
	return c, nil
}

// check asks the plugin what it is, which configures it first.
func (c *Client) check(ctx context.Context, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	out, _, err := c.form.Call(ctx, guest.Request{Operation: abi.OpDescribe})
	if err != nil {
		call := c.callError(abi.OpDescribe, err)
		if call.Retryable() && !errors.Is(err, context.Canceled) {
			logger.Warn("the plugin is not ready yet", "err", call)
			return nil
		}
		return &prefixed{call}
	}
	var d abi.Description
	if err := json.Unmarshal(out, &d); err != nil {
		return fmt.Errorf("its description is not JSON: %w", err)
	}
	if major, _, _ := strings.Cut(d.ABI, "."); major != "1" {
		return fmt.Errorf("it is built for version %q of the plugin ABI, this hearth has %s", d.ABI, abi.Version)
	}
	for _, k := range c.kinds {
		if k != manifest.KindDiscoverer && !slices.Contains(d.Kinds, k) {
			return fmt.Errorf("its manifest says it is a %s, the plugin says it is %s: build it again", k, nameList(d.Kinds))
		}
	}
	return c.checkFunctions(d.Functions)
}

// prefixed is a CallError whose text leaves the plugin's name to the one around it.
type prefixed struct{ *CallError }

func (p *prefixed) Error() string { return p.Operation + ": " + p.Message }
func (p *prefixed) Unwrap() error { return p.CallError }

// encodeSettings writes the operator's settings as the JSON object that the plugin reads.
func encodeSettings(config map[string]any) ([]byte, error) {
	if len(config) == 0 {
		return []byte("{}"), nil
	}
	b, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return b, nil
}

// Close gives the plugin up, after calls under way have ended. It may be called twice.
func (c *Client) Close() error {
	c.close.Do(func() {
		c.err = c.form.Close()
		c.host.mu.Lock()
		delete(c.host.mu.clients, c)
		c.host.mu.Unlock()
	})
	return c.err
}

// Content types of what exporters print.
const (
	textType        = "text/plain; version=0.0.4; charset=utf-8"
	openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// Collect asks an exporter for the samples of a target, which is its address as the operator wrote it. The result is an
// exposition of the content type. Errors are *CallError.
func (c *Client) Collect(ctx context.Context, target string) (body []byte, contentType string, err error) {
	body, err = c.call(ctx, abi.OpCollect, target, func(left time.Duration) ([]byte, error) {
		return json.Marshal(abi.CollectRequest{Address: target, DeadlineMS: abi.DeadlineMS(left)})
	})
	if err != nil {
		return nil, "", err
	}
	return body, typeOf(body), nil
}

// typeOf tells OpenMetrics from the text format by how it ends.
func typeOf(exposition []byte) string {
	if last, ok := bytes.CutSuffix(bytes.TrimSuffix(exposition, []byte("\n")), []byte("# EOF")); ok && (len(last) == 0 || last[len(last)-1] == '\n') {
		return openMetricsType
	}
	return textType
}

// call makes one call within the caller's deadline and the manifest's.
func (c *Client) call(ctx context.Context, op, target string, body func(left time.Duration) ([]byte, error)) ([]byte, error) {
	timeout := c.timeout
	if op == abi.OpEval && timeout == 0 {
		timeout = evalTimeout
	}
	if _, given := ctx.Deadline(); !given && timeout == 0 {
		timeout = defaultTimeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	deadline, _ := ctx.Deadline()
	start := time.Now()
	out, usage, err := c.form.Call(ctx, guest.Request{Operation: op, Target: target, Body: func() ([]byte, error) {
		return body(time.Until(deadline))
	}})
	if err != nil {
		err = c.callError(op, err)
	}
	c.host.metrics.observe(c.id, op, time.Since(start), usage, len(out), err)
	return out, err
}
