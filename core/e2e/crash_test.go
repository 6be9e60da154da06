package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
)

const quietConfig = `
[global]
scrape_interval = "500ms"
scrape_timeout = "500ms"

[[scrape_configs]]
job_name = "hearth"
static_configs = [{ targets = ["{self}"] }]
`

// sender writes one sample a series a request by remote write and remembers what was acknowledged.
type sender struct {
	url    string
	run    string // a label that tells this sender's series from another's
	series int
	next   int64 // time of the next sample, Unix milliseconds
	acked  atomic.Int64
	last   atomic.Int64 // time of the newest acknowledged sample
}

// send writes one request; ok tells whether it was acknowledged.
func (s *sender) send() (ok bool, err error) {
	var req prompb.WriteRequest
	for i := range s.series {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels: []prompb.Label{
				{Name: "__name__", Value: "written"},
				{Name: "instance", Value: "sender"},
				{Name: "job", Value: "crash"},
				{Name: "n", Value: fmt.Sprint(i)},
				{Name: "run", Value: s.run},
			},
			Samples: []prompb.Sample{{Timestamp: s.next, Value: float64(s.next%1000) + float64(i)}},
		})
	}
	raw, err := req.Marshal()
	if err != nil {
		return false, err
	}
	res, err := http.Post(s.url+"/api/v1/write", "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		return false, nil // the server is gone: not acknowledged
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		b, _ := io.ReadAll(res.Body)
		return false, fmt.Errorf("remote write: %d %s", res.StatusCode, b)
	}
	s.acked.Add(1)
	s.last.Store(s.next)
	s.next += 10
	return true, nil
}

func TestKillNineLosesNothingAcknowledged(t *testing.T) {
	h := serve(t, quietConfig)
	killNine(t, h, 5)
}

// killNine kills the server under load so many times, and after each start asks for every acknowledged sample.
func killNine(t *testing.T, h *hearth, times int) {
	t.Helper()
	began := time.Now()
	s := &sender{url: h.url, run: began.Format(time.RFC3339Nano), series: 50, next: began.Add(-50 * time.Minute).UnixMilli()}
	first := s.next
	for round := range times {
		var wg sync.WaitGroup
		var failure error
		wg.Go(func() {
			for {
				ok, err := s.send()
				if err != nil {
					failure = err
				}
				if !ok {
					return
				}
			}
		})
		time.Sleep(time.Duration(300+round*170) * time.Millisecond)
		h.kill()
		wg.Wait()
		if failure != nil {
			t.Fatal(failure)
		}
		h.again(t)

		// The request in flight at the kill may have been stored without its answer having come: one more is fine.
		got := h.matrix(t, fmt.Sprintf(`written{run=%q}[1h]`, s.run))
		if len(got) != s.series {
			t.Fatalf("round %d: %d series, want %d", round, len(got), s.series)
		}
		for _, series := range got {
			n := int64(len(series.Values))
			if n < s.acked.Load() || n > s.acked.Load()+int64(round)+1 {
				t.Fatalf("round %d: %s has %d samples, %d were acknowledged", round, series.Metric, n, s.acked.Load())
			}
			for i, v := range series.Values[:s.acked.Load()] {
				at := int64(v.Timestamp)
				if at != first+int64(i)*10 {
					t.Fatalf("round %d: %s sample %d is at %d, want %d", round, series.Metric, i, at, first+int64(i)*10)
				}
			}
		}
	}
}

func TestStopAndStartKeepsEverySample(t *testing.T) {
	h := serve(t, quietConfig)
	s := &sender{url: h.url, run: "stop", series: 10, next: time.Now().Add(-time.Minute).UnixMilli()}
	for range 100 {
		if ok, err := s.send(); !ok {
			t.Fatal(err)
		}
	}
	before := h.matrix(t, `written[1h]`).String()
	if err := h.stop(t); err != nil {
		t.Fatalf("SIGTERM: %v", err)
	}
	h.again(t)
	if after := h.matrix(t, `written[1h]`).String(); after != before {
		t.Errorf("after a restart:\n%s\nbefore:\n%s", tail(after, 2000), tail(before, 2000))
	}
	// Its own scrapes went on to the end, and after the start: up has samples from both runs.
	eventually(t, 10*time.Second, "scrapes after the restart", func() error {
		if n, err := h.value(`count_over_time(up[1m])`); err != nil || n < 2 {
			return fmt.Errorf("%v, %v", n, err)
		}
		return nil
	})
}
