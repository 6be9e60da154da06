package scrape

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/config"
)

// FuzzPages scrapes two bodies, the first again, and both once more by a successor. Whatever is in them: nothing
// panics, no row has a series twice, and what is stored is the same as if each had been scraped without a memory.
func FuzzPages(f *testing.F) {
	for _, file := range []string{"../exposition/testdata/node_exporter.txt", "../exposition/testdata/families.om"} {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		body = body[:min(len(body), 2000)]
		f.Add(body, body[:1000], false)
	}
	f.Add([]byte("a 1\nb 2\n"), []byte("b 1\na 1\na 2\n"), false)
	f.Add([]byte("a{x=\"1\"} 1 5\nup 2\n"), []byte("a{x=\"1\"} 1\n"), false)
	f.Add([]byte("# TYPE a counter\na_total 1 # {} 1\na_created 5\n# EOF\n"), []byte("a_total 1\n# EOF\n"), true)
	f.Fuzz(func(t *testing.T, one, two []byte, om bool) {
		contentType := contentText
		if om {
			contentType = contentOM
		}
		m := NewManager(Options{Storage: newMemory()})
		cfg := testConfig()
		cfg.SampleLimit = 1000
		cfg.HonorTimestamps = len(one)%2 == 0
		cfg.TrackTimestampsStaleness = true
		l := fuzzLoop(t, m, cfg)
		bodies := &bodiesOf{contentType: contentType}
		l.job.source = bodies
		at := int64(1_000_000)
		scrape := func(l *loop, body []byte) string {
			at += 1000
			bodies.body = bytes.Clone(body)
			l.scrape(t.Context(), time.UnixMilli(at))
			if err := l.status.err; err != nil && reasonOf(err) == failStorage {
				t.Fatalf("%q: %v", body, err)
			}
			var out strings.Builder
			for _, s := range m.env.storage.(*memory).at(at, false) {
				if !strings.HasSuffix(s, " stale") {
					out.WriteString(s + "\n")
				}
			}
			return out.String()
		}
		first, second := scrape(l, one), scrape(l, two)
		if again := scrape(l, one); again != first {
			t.Errorf("at first\n%s\nthen\n%s", first, again)
		}
		successor := fuzzLoop(t, m, cfg)
		successor.job.source = bodies
		successor.inherited = l.leave()
		if again := scrape(successor, two); again != second {
			t.Errorf("at first\n%s\nby a successor\n%s", second, again)
		}
		if again := scrape(successor, one); again != first {
			t.Errorf("at first\n%s\nby a successor\n%s", first, again)
		}
	})
}

func fuzzLoop(t *testing.T, m *Manager, cfg *config.Scrape) *loop {
	j, err := m.newJob(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	target, err := j.newTarget(b, j.discoveredLabels(b, labels.FromStrings("__address__", "i"), labels.EmptyLabels()))
	if err != nil {
		t.Fatal(err)
	}
	return m.newLoop(j, target, 0, nil)
}

// bodiesOf is a source of one body.
type bodiesOf struct {
	body        []byte
	contentType string
}

func (b *bodiesOf) fetch(_ context.Context, _ *target, a *reply) error {
	*a = reply{body: b.body, contentType: b.contentType}
	return nil
}

func (b *bodiesOf) close() error { return nil }
