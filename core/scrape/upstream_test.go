package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/model"
)

// upstream does what a loop does, slowly: upstream's parser, a map of what is live, samples one by one.
type upstream struct {
	t       *testing.T
	store   *memory
	target  labels.Labels
	relabel []*relabel.Config
	live    map[string]labels.Labels
}

type parsed struct {
	labels labels.Labels
	t      *int64
	v      float64
}

func (u *upstream) parse(body, contentType string) (out []parsed, err error) {
	p, err := textparse.New([]byte(body), contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return nil, err
	}
	for {
		e, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if e != textparse.EntrySeries {
			continue
		}
		_, ts, v := p.Series()
		var ls labels.Labels
		p.Labels(&ls)
		if ts != nil {
			ts = new(*ts)
		}
		out = append(out, parsed{ls, ts, v})
	}
}

func (u *upstream) scrape(t int64, body, contentType string) {
	lines, err := u.parse(body, contentType)
	if err != nil {
		lines = nil
	}
	var row, solo []model.Series
	seen := map[string]labels.Labels{}
	for _, l := range lines {
		b := labels.NewBuilder(l.labels)
		u.target.Range(func(own labels.Label) {
			if v := l.labels.Get(own.Name); v != "" {
				b.Set("exported_"+own.Name, v)
			}
			b.Set(own.Name, own.Value)
		})
		if !relabel.ProcessBuilder(b, u.relabel...) {
			continue
		}
		ls := b.Labels()
		if l.t != nil {
			solo = append(solo, model.Series{Labels: ls, Samples: []model.Sample{{T: *l.t, V: l.v}}})
			continue
		}
		if _, twice := seen[ls.String()]; !twice {
			seen[ls.String()] = ls
			row = append(row, model.Series{Labels: ls, Samples: []model.Sample{{T: t, V: l.v}}})
		}
	}
	for s, ls := range u.live {
		if _, goesOn := seen[s]; !goesOn {
			row = append(row, model.Series{Labels: ls, Samples: []model.Sample{{T: t, V: model.Stale}}})
		}
	}
	u.live = seen
	_ = u.store.Append(context.Background(), append(solo, row...)) // what is refused is the memory's to say
}

// pageMaker makes pages of a target whose series come, go, change places and break.
type pageMaker struct {
	rnd   *rand.Rand
	pool  []string
	now   []string
	stamp bool
	om    bool
}

func newPageMaker(seed uint64) *pageMaker {
	p := &pageMaker{rnd: rand.New(rand.NewPCG(seed, 7))}
	p.stamp, p.om = p.rnd.IntN(2) == 0, p.rnd.IntN(3) == 0
	for i := range 40 {
		p.pool = append(p.pool, fmt.Sprintf("m%d", i), fmt.Sprintf(`m%d{x="1",y="%d"}`, i, i), fmt.Sprintf(`m%d{y="%d",x="1"}`, i, i),
			fmt.Sprintf(`m%d{job="own",z="%d"}`, i, i%3), fmt.Sprintf(`bad%d{x="1"}`, i))
	}
	p.now = append(p.now, p.pool[:60]...)
	return p
}

func (p *pageMaker) page(t int64) string {
	r := p.rnd
	switch r.IntN(8) {
	case 0: // some go
		i := r.IntN(len(p.now))
		p.now = append(p.now[:i:i], p.now[min(i+1+r.IntN(5), len(p.now)):]...)
	case 1: // some come
		i := r.IntN(len(p.now) + 1)
		for range r.IntN(5) {
			p.now = append(p.now[:i:i], append([]string{p.pool[r.IntN(len(p.pool))]}, p.now[i:]...)...)
		}
	case 2: // two change places
		if len(p.now) > 1 {
			i, j := r.IntN(len(p.now)), r.IntN(len(p.now))
			p.now[i], p.now[j] = p.now[j], p.now[i]
		}
	case 3:
		if r.IntN(4) == 0 {
			r.Shuffle(len(p.now), func(i, j int) { p.now[i], p.now[j] = p.now[j], p.now[i] })
		}
	}
	if len(p.now) == 0 {
		p.now = append(p.now, p.pool[0])
	}
	var b strings.Builder
	for i, s := range p.now {
		fmt.Fprintf(&b, "%s %d", s, r.IntN(5))
		if p.stamp && (i%5 == 0 || r.IntN(100) == 0) {
			at := t - r.Int64N(3000)
			if p.om {
				fmt.Fprintf(&b, " %d.%03d", at/1000, at%1000)
			} else {
				fmt.Fprintf(&b, " %d", at)
			}
		}
		b.WriteByte('\n')
	}
	if r.IntN(20) == 0 {
		b.WriteString("?\n")
	}
	if p.om {
		b.WriteString("# EOF\n")
	}
	return b.String()
}

// TestScrapesStoreWhatUpstreamsRulesSay scrapes pages that change at random and compares all that is stored.
func TestScrapesStoreWhatUpstreamsRulesSay(t *testing.T) {
	for seed := range uint64(12) {
		e := expose(t, func(c *config.Scrape) {
			c.MetricRelabelConfigs = []*config.Relabel{
				{SourceLabels: []string{"__name__"}, Regex: new("bad.*"), Action: "drop"},
				{Regex: new("z"), Action: "labeldrop"},
			}
		})
		u := &upstream{t: t, store: newMemory(), target: e.loop.target.public, relabel: e.loop.rules.relabel}
		maker := newPageMaker(seed)
		cfg := e.loop.job.cfg
		for i := range 150 {
			ts := int64(1_000_000 + 1000*i)
			body := maker.page(ts)
			e.say(body)
			e.scrape(ts)
			contentType := contentText
			if maker.om {
				contentType = contentOM
			}
			u.scrape(ts, body, contentType)
			if maker.rnd.IntN(30) == 0 {
				e.configure(cfg, e.loop)
			}
			if i%10 == 9 || i == 149 {
				var want strings.Builder
				for line := range strings.Lines(u.store.dump()) {
					want.WriteString(strings.Replace(strings.Replace(line, `, instance="i", job="j"`, "", 1), `{__name__="`, "{", 1))
				}
				if got := e.lines(); got != want.String() {
					t.Fatalf("seed %d, scrape %d: %s", seed, i, firstDifference(got, want.String()))
				}
			}
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got\n" + g[i] + "\nwant\n" + w[i]
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

func TestRealExpositionsStoreWhatUpstreamsRulesSay(t *testing.T) {
	for _, tt := range []struct{ file, contentType string }{
		{"../exposition/testdata/node_exporter.txt", contentText},
		{"../exposition/testdata/families.om", contentOM},
	} {
		body, err := os.ReadFile(tt.file)
		if err != nil {
			t.Fatal(err)
		}
		e := expose(t, nil)
		u := &upstream{t: t, store: newMemory(), target: e.loop.target.public}
		e.say(string(body))
		for _, ts := range []int64{1000, 2000} {
			if err := e.scrape(ts); err != "" {
				t.Fatal(err)
			}
			u.scrape(ts, string(body), tt.contentType)
			got, want := e.store.at(ts, false), u.store.at(ts, false)
			if len(got) == 0 || strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s: %s", tt.file, firstDifference(strings.Join(got, "\n"), strings.Join(want, "\n")))
			}
		}
	}
}
