package alert

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Whatever happens to the process and its configuration, people are told once that an alert fires, and once that it
// has ended.
func TestRandomLives(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			in(t, base, func(t *testing.T, w *world) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				w.answer = slowly(seed)
				other := strings.Replace(base, `group_wait = "10s"`, `group_wait = "12s"`, 1)
				firing := map[string]bool{}
				ended := map[string]bool{}
				log := ""
				for n := range 60 {
					name := fmt.Sprintf("A%d", n)
					switch p := rnd.IntN(10); {
					case p < 5:
						w.fire(name)
						firing[name] = true
						log += " fire"
					case p < 6:
						w.apply(other)
						log += " reload"
					case p < 7:
						log += " stop"
						w.stop()
						w.start(base)
					case p < 8:
						log += " kill"
						w.kill()
						w.start(other)
					default:
						for old := range firing { // one that people know of
							if w.told(old, "firing") {
								w.resolve(old)
								delete(firing, old)
								ended[old] = true
								log += " end"
								break
							}
						}
					}
					if strings.HasSuffix(log, " stop") || strings.HasSuffix(log, " kill") {
						for _, list := range []struct {
							alerts map[string]bool
							put    func(...string)
						}{{firing, w.fire}, {ended, w.resolve}} { // their sender repeats all
							for name := range list.alerts {
								list.put(name)
							}
						}
					}
					time.Sleep(time.Duration(rnd.IntN(8000)) * time.Millisecond)
				}
				w.at(time.Since(w.began) + 3*time.Minute)
				counts := map[string]int{}
				for _, m := range w.mails {
					for _, a := range m.body.Alerts {
						counts[a.Labels["alertname"]+" "+a.Status]++
					}
				}
				want := map[string]int{}
				for name := range firing {
					want[name+" firing"] = 1
				}
				for name := range ended {
					want[name+" firing"], want[name+" resolved"] = 1, 1
				}
				for what := range merge(counts, want) {
					if counts[what] != want[what] {
						t.Errorf("%s was told %d times, want %d, in the life:%s", what, counts[what], want[what], log)
					}
				}
			})
		})
	}
}

// slowly answers after up to two seconds, and now and then with trouble.
func slowly(seed uint64) func(context.Context, string, int) error {
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 2))
	return func(ctx context.Context, _ string, _ int) error {
		mu.Lock()
		d, fails := time.Duration(rnd.IntN(2000))*time.Millisecond, rnd.IntN(5) == 0
		mu.Unlock()
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return ctx.Err()
		}
		if fails {
			return &callError{text: "503", retry: true}
		}
		return nil
	}
}

func (w *world) told(name, status string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.mails {
		for _, a := range m.body.Alerts {
			if a.Labels["alertname"] == name && a.Status == status {
				return true
			}
		}
	}
	return false
}

func merge(a, b map[string]int) map[string]int {
	all := map[string]int{}
	for k := range a {
		all[k] = 0
	}
	for k := range b {
		all[k] = 0
	}
	return all
}

// Everything at the same time, for the race detector.
func TestAllAtOnce(t *testing.T) {
	in(t, base, func(t *testing.T, w *world) {
		w.answer = slowly(1)
		var g sync.WaitGroup
		for k := range 4 {
			g.Go(func() {
				for n := range 20 {
					w.fire(fmt.Sprintf("A%d instance=%d", n, k))
					time.Sleep(time.Second)
				}
			})
		}
		g.Go(func() {
			for range 10 {
				w.apply(base)
				time.Sleep(3 * time.Second)
			}
		})
		g.Go(func() {
			for range 30 {
				if _, err := w.manager.Alerts(t.Context()); err != nil {
					t.Error(err)
				}
				if _, err := w.manager.Groups(t.Context()); err != nil {
					t.Error(err)
				}
				if _, err := w.manager.Silences(t.Context()); err != nil {
					t.Error(err)
				}
				w.manager.Receivers()
				if _, err := w.registry.Gather(); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
			}
		})
		g.Go(func() {
			for range 10 {
				id := silent(w, time.Minute, matcher(labels.MatchEqual, "alertname", "nothing"))
				time.Sleep(2 * time.Second)
				if err := w.manager.ExpireSilence(t.Context(), id); err != nil {
					t.Error(err)
				}
			}
		})
		g.Wait()
		w.at(5 * time.Minute)
		for n := range 20 {
			if !w.told(fmt.Sprintf("A%d", n), "firing") {
				t.Errorf("A%d was not told", n)
			}
		}
	})
}
