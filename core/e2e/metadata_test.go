package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// TestWhatSendersSayOfTheirMetricsIsKept has a Prometheus scrape a node_exporter and send what it says by remote write 1.0,
// and writes a message of version 2.0 beside it. Both are told after a kill, and a damaged file costs no start.
func TestWhatSendersSayOfTheirMetricsIsKept(t *testing.T) {
	h := serve(t, quietConfig)
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 1s}
scrape_configs:
- job_name: node
  static_configs: [{targets: [%q]}]
remote_write:
- url: %s/api/v1/write
  metadata_config: {send: true, send_interval: 1s}
`, nodeExporter(t), h.url), 0o600); err != nil {
		t.Fatal(err)
	}
	sender := start(t, "/usr/bin/prometheus", "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+freeAddr(t), "--log.level=warn")

	st := writev2.NewSymbolTable()
	req := writev2.Request{Timeseries: []writev2.TimeSeries{{
		LabelsRefs: st.SymbolizeLabels(labels.FromStrings("__name__", "pushed_seconds_count", "job", "batch"), nil),
		Samples:    []writev2.Sample{{Value: 1, Timestamp: time.Now().UnixMilli()}},
		Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_SUMMARY, HelpRef: st.Symbolize("How long."), UnitRef: st.Symbolize("seconds")},
	}}}
	req.Symbols = st.Symbols()
	raw, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, h.url+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Encoding", "snappy")
	r.Header.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("remote write: %s", res.Status)
	}

	type said struct{ Type, Help, Unit string }
	told := func(query string) (map[string][]said, error) {
		code, body := h.get(t, "/api/v1/metadata"+query)
		var a struct{ Data map[string][]said }
		if err := json.Unmarshal([]byte(body), &a); err != nil || code != http.StatusOK {
			return nil, fmt.Errorf("%d %.200s: %v", code, body, err)
		}
		return a.Data, nil
	}
	ask := func() {
		t.Helper()
		eventually(t, 30*time.Second, "what both senders say", func() error {
			all, err := told("")
			if err != nil {
				return err
			}
			for metric, want := range map[string]said{
				"node_load1":             {"gauge", "1m load average.", ""},
				"node_boot_time_seconds": {"gauge", "Node boot time, in unixtime.", ""},
				"pushed_seconds":         {"summary", "How long.", "seconds"},
			} {
				if !reflect.DeepEqual(all[metric], []said{want}) {
					return fmt.Errorf("of %s it is said %+v, want %+v", metric, all[metric], want)
				}
			}
			if len(all) < 50 {
				return fmt.Errorf("only of %d metrics something is said", len(all))
			}
			return nil
		})
		if one, err := told("?metric=pushed_seconds"); err != nil || len(one) != 1 {
			t.Errorf("of one metric: %+v, %v", one, err)
		}
		if three, err := told("?limit=3"); err != nil || len(three) != 3 {
			t.Errorf("of three metrics: %+v, %v", three, err)
		}
	}
	ask()
	if err := sender.stop(t); err != nil {
		t.Error(err)
	}
	file := filepath.Join(h.data, "metadata")
	eventually(t, 30*time.Second, "the file of metadata", func() error {
		b, err := os.ReadFile(file)
		if err == nil && !bytes.Contains(b, []byte("node_load1")) {
			err = errors.New("node_load1 is not in it yet")
		}
		return err
	})
	h.kill()
	h.again(t)
	ask()

	h.kill()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	h.again(t)
	if all, err := told(""); err != nil || len(all) > 0 {
		t.Errorf("of a damaged file: %+v, %v", all, err)
	}
	if log := h.log.String(); !strings.Contains(log, "corrupt file of metadata") || !strings.Contains(log, file) {
		t.Errorf("the log does not name it:\n%s", log)
	}
}
