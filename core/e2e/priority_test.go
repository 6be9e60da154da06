package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// push sends one sample of a job by remote write and returns the answer.
func (h *hearth) push(t *testing.T, job string) (int, string) {
	t.Helper()
	raw, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: "pushed"}, {Name: "job", Value: job}},
		Samples: []prompb.Sample{{Timestamp: time.Now().UnixMilli(), Value: 1}},
	}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(h.url+"/api/v1/write", "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

const priorityConfig = `
[[scrape_configs]]
job_name = "low"
priority = "low"
[[scrape_configs]]
job_name = "high"
priority = "high"
`

func TestWhatMattersMostIsStoredLongest(t *testing.T) {
	disk := mountDisk(t, 100) // so min_free is 5 MiB and the ballast 2 MiB
	h := prepare(t, filepath.Join(disk.dir, "data"), priorityConfig)
	h.again(t)
	stored := func() string {
		var out []string
		for _, job := range []string{"low", "normal", "high"} {
			switch code, body := h.push(t, job); {
			case code/100 == 2:
				out = append(out, job)
			case code != http.StatusServiceUnavailable || !strings.Contains(body, "disk is full"):
				t.Fatalf("job %s: %d %s", job, code, body)
			}
		}
		return strings.Join(out, " ")
	}
	for _, step := range []struct {
		leave int64 // MiB
		want  string
		api   string
	}{
		{50, "low normal high", `"stored":"all"`},
		{8, "normal high", `"stored":"normal and high"`},
		{3, "high", `"stored":"high"`},
		{0, "", `"ballast":0,"ballastWanted":2097152,"full":true,"stored":"none"`},
		{12, "normal high", `"ballast":2097152,`},
		{50, "low normal high", `"full":false,"stored":"all"`},
	} {
		if err := disk.set(step.leave << 20); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, fmt.Sprintf("%d MiB left: %q stored", step.leave, step.want), func() error {
			if got := stored(); got != step.want {
				return fmt.Errorf("stored are %q", got)
			}
			return nil
		})
		eventually(t, 20*time.Second, "the API to tell so", func() error {
			code, body := h.get(t, "/api/hearth/v1/limits")
			if code != http.StatusOK || !strings.Contains(body, step.api) {
				return fmt.Errorf("%d MiB left: %d, no %s in %s", step.leave, code, step.api, body)
			}
			return nil
		})
	}
	if err := disk.free(); err != nil {
		t.Fatal(err)
	}
}

// set makes the filler take all but leave bytes.
func (d *smallDisk) set(leave int64) error {
	if err := d.fill(0); err != nil {
		return err
	}
	return d.fill(leave)
}
