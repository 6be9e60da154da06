package host

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/sdk/abi"
)

// retryOpen is how long after a failed attempt a plugin is opened again.
const retryOpen = 10 * time.Second

// lateClient stands for a plugin that could not be opened when the server started. The server starts all the same: what
// uses the plugin fails with the reason, everything else works, and the plugin is tried again while it is called, so
// that putting its files right is enough.
type lateClient struct {
	id   string
	open func(context.Context) (*plugin.Client, error)
	log  *slog.Logger

	mu struct {
		sync.Mutex
		client *plugin.Client // once it could be opened
		err    error          // why not
		next   time.Time      // when to try again
		closed bool
	}
}

func newLateClient(id string, err error, open func(context.Context) (*plugin.Client, error), log *slog.Logger) *lateClient {
	l := &lateClient{id: id, open: open, log: log}
	l.mu.err, l.mu.next = err, time.Now().Add(retryOpen)
	return l
}

// get returns the client, opening the plugin if it is time to try. Calls that come meanwhile get the old reason.
func (l *lateClient) get(ctx context.Context) (*plugin.Client, error) {
	l.mu.Lock()
	if l.mu.client != nil || l.mu.closed || time.Now().Before(l.mu.next) {
		defer l.mu.Unlock()
		if l.mu.client != nil {
			return l.mu.client, nil
		}
		return nil, fmt.Errorf("not in use, opening failed: %w", l.mu.err)
	}
	l.mu.next = time.Now().Add(retryOpen)
	l.mu.Unlock()

	client, err := l.open(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.mu.err = err
		return nil, fmt.Errorf("not in use, opening failed: %w", err)
	case l.mu.closed:
		client.Close()
		return nil, fmt.Errorf("plugin %s: closed", l.id)
	}
	l.log.Info("The plugin can be used now", "plugin", l.id)
	l.mu.client = client
	return client, nil
}

// Collect implements scrape.Collector.
func (l *lateClient) Collect(ctx context.Context, target string) (body []byte, contentType string, err error) {
	client, err := l.get(ctx)
	if err != nil {
		return nil, "", err
	}
	return client.Collect(ctx, target)
}

// Notify implements alert.Notifier.
func (l *lateClient) Notify(ctx context.Context, n *model.Notification) error {
	client, err := l.get(ctx)
	if err != nil {
		return err
	}
	return client.Notify(ctx, n)
}

// Templates implements alert.Notifier.
func (l *lateClient) Templates(ctx context.Context) ([]model.Template, error) {
	client, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return client.Templates(ctx)
}

// Eval is plugin.Client's.
func (l *lateClient) Eval(ctx context.Context, b *abi.Batch, out []float64) error {
	client, err := l.get(ctx)
	if err != nil {
		return err
	}
	return client.Eval(ctx, b, out)
}

// Close gives the plugin up, if it was opened.
func (l *lateClient) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.closed = true
	if l.mu.client == nil {
		return nil
	}
	return l.mu.client.Close()
}
