package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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
	host  *Host
	id    string
	use   Use // as it was opened
	now   atomic.Pointer[version]
	close sync.Once
	err   error // of close

	counters sync.Map // *counters by operation

	mu struct {
		sync.Mutex
		closed bool
		held   error // why the version that is installed does not run
	}
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

func (h *Host) open(ctx context.Context, u Use) (*Client, error) {
	p, err := h.plan(u)
	if err != nil {
		return nil, err
	}
	logger := h.log.With("plugin", u.ID)
	c := &Client{host: h, id: u.ID, use: u}
	v := p.version
	if v.form, err = h.run(ctx, p.Manifest, p.artifact, p.rights, p.settings, logger); err != nil {
		return nil, err
	}
	c.now.Store(&v)
	h.mu.Lock()
	closed := h.mu.closed
	if !closed {
		h.mu.clients[c] = struct{}{}
	}
	h.mu.Unlock()
	if closed {
		return nil, errors.Join(ErrClosed, c.Close())
	}
	if err := c.check(ctx, &v); notReady(err) {
		logger.Warn("the plugin is not ready yet", "err", err)
	} else if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if len(v.missing) > 0 {
		logger.Info("the plugin asks for more than it is granted; what it can't do without it will say", "not_granted", strings.Join(v.missing, ", "))
	}
	return c, nil
}

// check asks the plugin what it is, which configures it first.
func (c *Client) check(ctx context.Context, v *version) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	out, _, err := v.Call(ctx, guest.Request{Operation: abi.OpDescribe})
	if err != nil {
		return &prefixed{c.callError(abi.OpDescribe, err)}
	}
	if len(out) > maxDescription {
		return fmt.Errorf("its description has %d bytes, at most %d are allowed", len(out), maxDescription)
	}
	var d abi.Description
	if err := json.Unmarshal(out, &d); err != nil {
		return fmt.Errorf("its description is not JSON: %w", err)
	}
	if major, _, _ := strings.Cut(d.ABI, "."); major != "1" {
		return fmt.Errorf("it is built for version %q of the plugin ABI, this hearth has %s", d.ABI, abi.Version)
	}
	for _, k := range v.Kinds {
		if k != manifest.KindDiscoverer && !slices.Contains(d.Kinds, k) {
			return fmt.Errorf("its manifest says it is a %s, the plugin says it is %s: build it again", k, guest.Printable([]byte(nameList(d.Kinds))))
		}
	}
	return v.checkFunctions(d.Functions)
}

// maxDescription is the most bytes of a description, of which errors tell.
const maxDescription = 64 << 10

// notReady tells whether a plugin may answer later.
func notReady(err error) bool {
	var call *prefixed
	return errors.As(err, &call) && call.Retryable() && !errors.Is(err, context.Canceled)
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
		c.mu.Lock()
		c.mu.closed = true
		v := c.version()
		c.mu.Unlock()
		c.err = v.Close()
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
	timeout := c.version().Limits.Timeout.Std()
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
	out, usage, err := c.exchange(ctx, guest.Request{Operation: op, Target: target, Body: func() ([]byte, error) {
		return body(time.Until(deadline))
	}})
	if err != nil {
		err = c.callError(op, err)
	}
	c.observe(op, time.Since(start), usage, len(out), err)
	return out, err
}
