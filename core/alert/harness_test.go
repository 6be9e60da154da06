package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
)

var discard = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mail is one call of a notifier.
type mail struct {
	at       time.Duration // since the world began
	notifier string        // setting "to" of the notifier
	text     []byte
	texts    map[string]string
	state    string // that it was given
	body     struct {
		Receiver, Status, GroupKey string
		TruncatedAlerts            int
		Alerts                     []struct {
			Status string
			Labels map[string]string
		}
	}
}

// String is short enough for tables: "35s ops firing[A B] resolved[C]".
func (m mail) String() string {
	names := map[string][]string{}
	for _, a := range m.body.Alerts {
		name := a.Labels["alertname"]
		if i, ok := a.Labels["instance"]; ok {
			name += "/" + i
		}
		names[a.Status] = append(names[a.Status], name)
	}
	s := fmt.Sprintf("%s %s", m.at, m.notifier)
	for _, status := range []string{"firing", "resolved"} {
		if len(names[status]) > 0 {
			slices.Sort(names[status])
			s += fmt.Sprintf(" %s%v", status, names[status])
		}
	}
	if n := m.body.TruncatedAlerts; n > 0 {
		s += fmt.Sprintf(" +%d", n)
	}
	return s
}

// world is a Manager and the people it tells, in a bubble of fake time, on a disk in memory.
type world struct {
	t     *testing.T
	began time.Time
	disk  *vfs.Mem
	logs  *logbook

	registry *prometheus.Registry
	manager  *Manager
	stop     func()

	mu     sync.Mutex
	mails  []mail
	opens  []string // and closes, as "open ops" and "close ops"
	answer func(ctx context.Context, to string, attempt int) error
	calls  map[string]int
	keep   func(state string) string // what a notifier leaves of what it was given

	templates []model.Template // of every notifier

	life int // of the process; what a killed one still does is not seen by anybody
}

// in runs f in a new world of the given configuration, TOML.
func in(t *testing.T, text string, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, began: time.Now(), disk: vfs.NewMem(), logs: &logbook{}, calls: map[string]int{}}
		if err := errors.Join(w.disk.MkdirAll("data"), w.disk.SyncDir(".")); err != nil { // as the storage does
			t.Fatal(err)
		}
		w.start(text)
		defer func() { w.stop() }()
		f(t, w)
	})
}

// start runs a new Manager on the disk.
func (w *world) start(text string) {
	w.t.Helper()
	w.registry = prometheus.NewPedanticRegistry()
	m, err := New(Options{
		Dir:         "data/alert",
		FS:          w.disk,
		Notifiers:   w.open,
		ExternalURL: &url.URL{Scheme: "http", Host: "hearth.example"},
		Logger:      slog.New(slog.NewTextHandler(w.logs, nil)),
		Registerer:  w.registry,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.manager = m
	w.apply(text)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	synctest.Wait()
}

func (w *world) apply(text string) {
	w.t.Helper()
	if err := w.manager.ApplyConfig(parse(w.t, text)); err != nil {
		w.t.Fatal(err)
	}
}

// kill stops the process without its goodbye: what comes next sees the disk as it is now.
func (w *world) kill() {
	disk := w.disk.Kill()
	w.mu.Lock()
	w.life++
	w.mu.Unlock()
	w.stop()
	w.disk = disk
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse([]byte(text), "config.toml")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func (w *world) open(_ context.Context, use config.PluginUse) (Notifier, error) {
	to, _ := use.Config["to"].(string)
	if to == "nowhere" {
		return nil, errors.New("no such address")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opens = append(w.opens, "open "+to)
	return &inbox{w, to, w.life}, nil
}

// inbox is a notifier plugin that keeps what it gets.
type inbox struct {
	w    *world
	to   string
	life int
}

func (i *inbox) Templates(context.Context) ([]model.Template, error) {
	i.w.mu.Lock()
	defer i.w.mu.Unlock()
	return i.w.templates, nil
}

func (i *inbox) Notify(ctx context.Context, n *model.Notification) error {
	text := n.Message
	i.w.mu.Lock()
	i.w.calls[i.to]++
	count, answer := i.w.calls[i.to], i.w.answer
	i.w.mu.Unlock()
	if answer != nil {
		if err := answer(ctx, i.to, count); err != nil {
			return err
		}
	}
	m := mail{at: time.Since(i.w.began).Round(time.Second), notifier: i.to, text: slices.Clone(text), texts: n.Texts, state: n.State}
	if err := json.Unmarshal(text, &m.body); err != nil {
		return err
	}
	i.w.mu.Lock()
	defer i.w.mu.Unlock()
	if i.life != i.w.life {
		return errors.New("this process was killed")
	}
	i.w.mails = append(i.w.mails, m)
	if i.w.keep != nil {
		n.State = i.w.keep(n.State)
	}
	return nil
}

func (i *inbox) Close() error {
	i.w.mu.Lock()
	defer i.w.mu.Unlock()
	i.w.opens = append(i.w.opens, "close "+i.to)
	return nil
}

// fire puts alerts as the rules do, named as "DiskFull instance=a severity=page". They fire since now, or since before
// if they were put already, and end in an hour.
func (w *world) fire(alerts ...string) { w.put(false, alerts) }

// resolve puts that alerts have ended.
func (w *world) resolve(alerts ...string) { w.put(true, alerts) }

func (w *world) put(resolved bool, alerts []string) {
	w.t.Helper()
	var list []*model.Alert
	for _, text := range alerts {
		a := &model.Alert{
			Labels:       labelsOf(text),
			Annotations:  labels.FromStrings("summary", "about "+text),
			State:        model.AlertFiring,
			FiredAt:      time.Now(),
			ValidUntil:   time.Now().Add(time.Hour),
			GeneratorURL: "http://hearth.example/graph",
		}
		if resolved {
			a.State, a.ResolvedAt = model.AlertInactive, time.Now()
			a.FiredAt = w.began
		}
		list = append(list, a)
	}
	if err := w.manager.Put(context.Background(), list); err != nil {
		w.t.Error(err)
	}
}

func labelsOf(text string) labels.Labels {
	name, rest, _ := strings.Cut(text, " ")
	pairs := []string{"alertname", name}
	for _, f := range strings.Fields(rest) {
		k, v, _ := strings.Cut(f, "=")
		pairs = append(pairs, k, v)
	}
	return labels.FromStrings(pairs...)
}

// at sleeps until the world is that old.
func (w *world) at(d time.Duration) {
	time.Sleep(time.Until(w.began.Add(d)))
	synctest.Wait()
}

// got compares what has arrived so far, as strings, with want.
func (w *world) got(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []string
	for _, m := range w.mails {
		got = append(got, m.String())
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("after %s people were told\n  %s\nwant\n  %s", time.Since(w.began), strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// logbook is a log to look into.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}

// callError is an error as the plugin host returns it.
type callError struct {
	text  string
	retry bool
	after time.Duration
}

func (e *callError) Error() string             { return e.text }
func (e *callError) Retryable() bool           { return e.retry }
func (e *callError) RetryAfter() time.Duration { return e.after }

// sorted puts the mails of one second in the order of their text: groups are told concurrently.
func (w *world) sorted() {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortStableFunc(w.mails, func(a, b mail) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return strings.Compare(a.String(), b.String())
	})
}

func replaceOnce(t *testing.T, s, old, with string) string {
	t.Helper()
	if strings.Count(s, old) != 1 {
		t.Fatalf("%q is not there just once", old)
	}
	return strings.Replace(s, old, with, 1)
}
