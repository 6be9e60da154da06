package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"
)

// soaking tells whether the long forms are wanted: `make soak` sets HEARTH_SOAK.
func soaking() bool { return os.Getenv("HEARTH_SOAK") != "" }

// seeded returns a source of randomness whose seed is in the test's output; HEARTH_SEED repeats a run.
func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("HEARTH_SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatalf("HEARTH_SEED: %v", err)
		}
	}
	t.Logf("HEARTH_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// writer is a remote-write sender that remembers what it sent and what was acknowledged. The value of a sample
// follows from its series and time, so that one that nobody sent is seen.
type writer struct {
	h      *hearth
	run    string // labels that tell its series from those of others
	name   string
	series int
	step   int64 // between two samples, milliseconds
	rnd    *rand.Rand

	next  int64 // time of the next sample in order
	retry []int64
	sent  map[int64]bool // by time: all series have the same; true when acknowledged
}

func newWriter(h *hearth, run, name string, series int, step time.Duration, from time.Time, seed uint64) *writer {
	return &writer{h: h, run: run, name: name, series: series, step: step.Milliseconds(), next: from.UnixMilli(),
		rnd: rand.New(rand.NewPCG(seed, 1)), sent: map[int64]bool{}}
}

func (w *writer) value(series int, t int64) float64 {
	x := uint64(series+1)*0x9e3779b97f4a7c15 ^ uint64(t)*0xbf58476d1ce4e5b9
	x ^= x >> 29
	if x%7 == 0 {
		return float64(x) // one that no decimal code makes short
	}
	return float64(x%100_000) / 10
}

// times chooses what to send: mostly what comes next, sometimes what is late, sometimes what was in flight when
// the server died.
func (w *writer) times() []int64 {
	if len(w.retry) > 0 && w.rnd.IntN(2) == 0 {
		ts := w.retry
		w.retry = nil
		return ts
	}
	w.retry = nil
	if len(w.sent) > 10 && w.rnd.IntN(6) == 0 {
		t := w.next - (1+w.rnd.Int64N(int64(min(len(w.sent), 400))))*w.step + w.step/2
		if _, done := w.sent[t]; !done {
			return []int64{t}
		}
	}
	w.step = max(1, min(w.step, (time.Now().UnixMilli()-w.next)/1000)) // the present is never reached
	var ts []int64
	for range 1 + w.rnd.IntN(4) {
		ts = append(ts, w.next)
		w.next += w.step
	}
	return ts
}

func (w *writer) request(ts []int64) []byte {
	var req prompb.WriteRequest
	for i := range w.series {
		s := prompb.TimeSeries{Labels: []prompb.Label{
			{Name: "__name__", Value: "soaked"}, {Name: "job", Value: "soak"}, {Name: "n", Value: fmt.Sprint(i)},
			{Name: "run", Value: w.run}, {Name: "writer", Value: w.name},
		}}
		for _, t := range ts {
			s.Samples = append(s.Samples, prompb.Sample{Timestamp: t, Value: w.value(i, t)})
		}
		req.Timeseries = append(req.Timeseries, s)
	}
	raw, err := req.Marshal()
	if err != nil {
		panic(err) // it is made here
	}
	return snappy.Encode(nil, raw)
}

// send writes one request and returns the status, 0 if there was no answer, and the body.
func (w *writer) send() (int, string) {
	ts := w.times()
	for _, t := range ts {
		if !w.sent[t] {
			w.sent[t] = false
		}
	}
	res, err := http.Post(w.h.url+"/api/v1/write", "application/x-protobuf", bytes.NewReader(w.request(ts)))
	if err != nil {
		w.retry = ts
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if res.StatusCode/100 == 2 {
		for _, t := range ts {
			w.sent[t] = true
		}
		return res.StatusCode, ""
	}
	if err != nil {
		return res.StatusCode, err.Error()
	}
	w.retry = ts
	return res.StatusCode, string(body)
}

// acknowledged returns how many samples of a series were.
func (w *writer) acknowledged() int {
	n := 0
	for _, ok := range w.sent {
		if ok {
			n++
		}
	}
	return n
}

// verify asks for everything and compares.
func (w *writer) verify() error {
	if w.acknowledged() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	v, _, _, err := w.h.api.Query(ctx, fmt.Sprintf(`soaked{run=%q,writer=%q}[60h]`, w.run, w.name), time.Now().Add(9*time.Minute))
	if err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	m, ok := v.(model.Matrix)
	if !ok {
		return fmt.Errorf("reading back: got a %s", v.Type())
	}
	if len(m) != w.series {
		return fmt.Errorf("%d series, want %d", len(m), w.series)
	}
	for _, s := range m {
		var n int
		if _, err := fmt.Sscan(string(s.Metric["n"]), &n); err != nil {
			return fmt.Errorf("series %s: %w", s.Metric, err)
		}
		got := make(map[int64]bool, len(s.Values))
		for i, p := range s.Values {
			t := int64(p.Timestamp)
			if _, sent := w.sent[t]; !sent {
				return fmt.Errorf("%s has a sample at %d that nobody sent", s.Metric, t)
			}
			if want := w.value(n, t); float64(p.Value) != want {
				return fmt.Errorf("%s at %d is %v, %v was sent", s.Metric, t, p.Value, want)
			}
			if i > 0 && s.Values[i-1].Timestamp >= p.Timestamp {
				return fmt.Errorf("%s: times do not ascend at %d", s.Metric, t)
			}
			got[t] = true
		}
		var lost []int64
		for t, acked := range w.sent {
			if acked && !got[t] {
				lost = append(lost, t)
			}
		}
		if len(lost) > 0 {
			sort.Slice(lost, func(i, j int) bool { return lost[i] < lost[j] })
			return fmt.Errorf("%s lacks %d of %d acknowledged samples: the first at %d, the last at %d", s.Metric, len(lost),
				w.acknowledged(), lost[0], lost[len(lost)-1])
		}
	}
	return nil
}

// verified has `hearth tsdb verify` read every byte of the database, beside the server if it runs.
func (h *hearth) verified() error {
	out, err := exec.Command(binary, "tsdb", "verify", "--data", h.data).CombinedOutput()
	if err != nil {
		return fmt.Errorf("hearth tsdb verify: %w\n%s", err, out)
	}
	return nil
}

// load is what goes on while the server is killed: writers, a scraped target, queries, reloads, a look at the files.
type load struct {
	h       *hearth
	writers []*writer
	stop    atomic.Bool
	wg      sync.WaitGroup
	errs    chan error
}

func (l *load) fail(err error) {
	select {
	case l.errs <- err:
	default: // the first ones are enough
	}
}

// startLoad begins; each part of it ends with the server or with end.
func startLoad(h *hearth, writers []*writer, configs []string) *load {
	l := &load{h: h, writers: writers, errs: make(chan error, 8)}
	for _, w := range writers {
		l.wg.Go(func() {
			for !l.stop.Load() {
				time.Sleep(time.Duration(w.rnd.Int64N(1+2*w.step/1000)) * time.Millisecond) // long steps would reach the present soon
				switch code, body := w.send(); {
				case code == 0:
					return
				case code/100 != 2:
					l.fail(fmt.Errorf("remote write of %s: %d %s", w.name, code, body))
					return
				}
			}
		})
	}
	l.wg.Go(func() {
		for i := 0; !l.stop.Load(); i++ {
			expr := []string{`sum by (writer) (rate(soaked[10m]))`, `count({__name__=~".+"})`, `max_over_time(soaked[6h])`, `topk(3, up)`}[i%4]
			res, err := http.Get(h.url + "/api/v1/query?query=" + url.QueryEscape(expr))
			if err != nil {
				return
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusOK && err == nil {
				l.fail(fmt.Errorf("query %s: %d %s", expr, res.StatusCode, body))
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	l.wg.Go(func() {
		for !l.stop.Load() {
			if err := h.verified(); err != nil {
				l.fail(err)
				return
			}
			time.Sleep(200 * time.Millisecond)
		}
	})
	if len(configs) > 0 {
		l.wg.Go(func() {
			for i := 0; !l.stop.Load(); i++ {
				select {
				case <-h.done:
					return
				case <-time.After(100 * time.Millisecond):
				}
				if err := h.reload(configs[i%len(configs)]); err != nil {
					l.fail(err)
				}
			}
		})
	}
	return l
}

// end waits for all that goes on and returns what went wrong.
func (l *load) end() error {
	l.stop.Store(true)
	l.wg.Wait()
	select {
	case err := <-l.errs:
		return err
	default:
		return nil
	}
}

// counting is a target whose counter is the number of its scrapes.
type counting struct {
	*httptest.Server
	served atomic.Int64
}

func newCounting(t *testing.T) *counting {
	c := &counting{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE soak_scrapes_total counter\nsoak_scrapes_total %d\n", c.served.Add(1))
	}))
	t.Cleanup(c.Close)
	return c
}

// verify checks that the stored counter is one that was served.
func (c *counting) verify(h *hearth) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	served := c.served.Load()
	v, _, _, err := h.api.Query(ctx, `soak_scrapes_total[60h]`, time.Now())
	if err != nil {
		return fmt.Errorf("reading scrapes back: %w", err)
	}
	m, ok := v.(model.Matrix)
	if !ok {
		return fmt.Errorf("reading scrapes back: got a %s", v.Type())
	}
	for _, s := range m {
		for i, p := range s.Values {
			if i > 0 && p.Value <= s.Values[i-1].Value || float64(p.Value) > float64(served)+10 {
				return fmt.Errorf("%s at %d is %v after %v of %d scrapes", s.Metric, p.Timestamp, p.Value, s.Values[max(i-1, 0)].Value, served)
			}
		}
	}
	return nil
}
