package scrape

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/discovery"
)

// host stands for everything that a manager needs: a storage, and plugins in place of targets, so that the tests run
// on the time of a synctest bubble.
type host struct {
	store   *memory
	manager *Manager
	log     strings.Builder
	stop    func()

	mu     sync.Mutex
	pages  map[string]func(context.Context) (string, error) // by address
	open   int                                              // plugins
	opened int
}

func newHost(t *testing.T) *host {
	h := &host{store: newMemory(), pages: map[string]func(context.Context) (string, error){}}
	h.manager = NewManager(Options{
		Storage: h.store,
		Collectors: func(_ context.Context, use config.PluginUse) (Collector, error) {
			if use.Plugin == "test/missing" {
				return nil, errors.New("plugin test/missing: not installed")
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.open++
			h.opened++
			return &pluginOf{h: h}, nil
		},
		Logger:     slog.New(slog.NewTextHandler(&h.log, nil)),
		Registerer: prometheus.NewRegistry(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.manager.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if h.open != 0 {
			t.Errorf("%d plugins are open at the end", h.open)
		}
	})
	synctest.Wait()
	return h
}

type pluginOf struct {
	h      *host
	closed bool
}

// Collect implements Collector.
func (p *pluginOf) Collect(ctx context.Context, target string) ([]byte, string, error) {
	p.h.mu.Lock()
	page := p.h.pages[target]
	closed := p.closed
	p.h.mu.Unlock()
	if closed {
		return nil, "", errors.New("called after it was closed")
	}
	if page == nil {
		return []byte("a 1\n"), "", nil
	}
	body, err := page(ctx)
	return []byte(body), contentText, err
}

// Close implements Collector.
func (p *pluginOf) Close() error {
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	p.closed = true
	p.h.open--
	return nil
}

func (h *host) say(address, body string) {
	h.answer(address, func(context.Context) (string, error) { return body, nil })
}

func (h *host) answer(address string, page func(context.Context) (string, error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pages[address] = page
}

func pluginJob(name string, change func(*config.Scrape)) *config.Scrape {
	c := testConfig()
	c.JobName, c.Plugin = name, "test/plugin"
	c.ScrapeTimeout = config.Duration(14 * time.Second)
	if change != nil {
		change(c)
	}
	return c
}

func (h *host) apply(t *testing.T, jobs ...*config.Scrape) {
	t.Helper()
	if err := h.manager.ApplyConfig(&config.Config{ScrapeConfigs: jobs}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func group(addresses ...string) []discovery.Group {
	g := discovery.Group{Source: "test"}
	for _, a := range addresses {
		g.Targets = append(g.Targets, labels.FromStrings("__address__", a))
	}
	return []discovery.Group{g}
}

func (h *host) set(job string, addresses ...string) {
	h.manager.SetTargets(job, group(addresses...))
	synctest.Wait()
}

func seriesOf(name, job, instance string) string {
	return fmt.Sprintf(`{__name__=%q, instance=%q, job=%q}`, name, instance, job)
}

func (h *host) last(series string) (t time.Time, v string) {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	ss := h.store.series[series]
	if len(ss) == 0 {
		return time.Time{}, "none"
	}
	return time.UnixMilli(ss[len(ss)-1].T), show(ss[len(ss)-1].V)
}
