package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"
)

// past writes what a series had at every step of a span that ends a second ago, by remote write.
func (h *hearth) past(t *testing.T, series string, span, step time.Duration, value func(ago time.Duration) float64) {
	t.Helper()
	var s prompb.TimeSeries
	name, rest, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
	s.Labels = append(s.Labels, prompb.Label{Name: "__name__", Value: name})
	for pair := range strings.SplitSeq(rest, ",") {
		k, v, ok := strings.Cut(pair, "=")
		if ok {
			s.Labels = append(s.Labels, prompb.Label{Name: k, Value: strings.Trim(v, `"`)})
		}
	}
	end := time.Now().Add(-time.Second)
	for ago := span; ago >= 0; ago -= step {
		s.Samples = append(s.Samples, prompb.Sample{Timestamp: end.Add(-ago).UnixMilli(), Value: value(ago)})
	}
	raw, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{s}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(h.url+"/api/v1/write", "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode/100 != 2 {
		t.Fatalf("remote write of %s: %d %s", series, res.StatusCode, body)
	}
}

const day = 24 * time.Hour

// traffic is what a job has on average at some time: less at night and on two days of the week.
func traffic(at time.Time) float64 {
	week := float64(at.Unix()) / (7 * day).Seconds()
	return 100 + 40*math.Sin(2*math.Pi*7*week) + 20*math.Sin(2*math.Pi*week)
}

// requests writes what the rules of all plugins are about: two jobs, of which shop has had three times its traffic, and errors,
// for the last hours.
func (h *hearth) requests(t *testing.T, r *rand.Rand) {
	now := time.Now()
	for job, more := range map[string]float64{"shop": 3, "quiet": 1} {
		h.past(t, fmt.Sprintf(`job:http_requests:rate5m{job=%q}`, job), 28*day, 10*time.Minute, func(ago time.Duration) float64 {
			v := traffic(now.Add(-ago)) * (1 + 0.05*r.NormFloat64())
			if ago < time.Hour {
				v *= more
			}
			return v
		})
		failing := 0.00005
		if job == "shop" {
			failing = 0.05
		}
		h.past(t, fmt.Sprintf(`job:slo_errors:ratio5m{job=%q}`, job), 30*day, 5*time.Minute, func(ago time.Duration) float64 {
			if ago < 6*time.Hour {
				return failing
			}
			return 0.0001 * r.Float64()
		})
		for code, part := range map[string]float64{"200": 1 - failing, "500": failing} {
			h.past(t, fmt.Sprintf(`http_requests_total{code=%q,job=%q}`, code, job), time.Hour, 15*time.Second, func(ago time.Duration) float64 {
				return math.Floor((time.Hour - ago).Seconds() * traffic(now) * more * part)
			})
		}
	}
}

// TestExampleRulesOfFunctionPlugins runs the rule files that come with the plugins on the data of a month, in which something
// is wrong. The interval of their groups is made a second.
func TestExampleRulesOfFunctionPlugins(t *testing.T) {
	never := math.Inf(1)
	for _, tt := range []struct {
		plugin string
		data   func(t *testing.T, h *hearth, r *rand.Rand)
		alerts []string              // name and a label
		values map[string][2]float64 // of a query for one series: least and most
	}{
		{
			plugin: "anomaly",
			data: func(t *testing.T, h *hearth, r *rand.Rand) {
				for instance, newest := range map[string]float64{"a": 0.7, "b": 9} {
					h.past(t, fmt.Sprintf(`node_load1{instance=%q}`, instance), day, time.Minute, func(ago time.Duration) float64 {
						if ago == 0 {
							return newest
						}
						return 0.6 + 0.1*r.NormFloat64()
					})
				}
			},
			alerts: []string{`LoadUnusual b`, `TrafficUnusual shop`},
			values: map[string][2]float64{
				`job:http_requests:score1w{job="shop"}`:          {10, 1000},
				`job:http_requests:score1w{job="quiet"}`:         {-5, 5},
				`instance:node_load1:zscore1h{instance="a"}`:     {-5, 5},
				`instance:node_load1:zscore1h{instance="b"}`:     {50, 150},
				`count(job:http_requests:rate5m{job=~".+"} > 0)`: {2, 2},
			},
		},
		{
			plugin: "forecast",
			data: func(t *testing.T, h *hearth, r *rand.Rand) {
				for mount, rate := range map[string]float64{"/full": 1e6, "/steady": 0, "/emptied": -1e6} {
					noise := 0.0
					h.past(t, fmt.Sprintf(`node_filesystem_avail_bytes{mountpoint=%q}`, mount), 6*time.Hour, time.Minute, func(ago time.Duration) float64 {
						noise = 0.5*noise + 1e8*r.NormFloat64()
						return 4e10 + rate*ago.Seconds() + noise // 40 GB now, and 11 hours more at 1 MB/s
					})
				}
			},
			alerts: []string{`DiskFullWithinADay /full`, `TrafficOutsideForecast shop`},
			values: map[string][2]float64{
				`instance:node_filesystem_full_seconds:line{mountpoint="/full"}`:                                                             {39000, 41000},
				`instance:node_filesystem_full_seconds:lower{mountpoint="/full"}`:                                                            {38000, 40300},
				`instance:node_filesystem_full_seconds:upper{mountpoint="/full"}`:                                                            {39700, 42000},
				`instance:node_filesystem_full_seconds:line{mountpoint="/emptied"}`:                                                          {never, never},
				`instance:node_filesystem_full_seconds:upper{mountpoint="/emptied"}`:                                                         {never, never},
				`instance:node_filesystem_full_seconds:lower{mountpoint="/steady"}`:                                                          {1e6, never},
				`max(abs(forecast_linear(node_filesystem_avail_bytes[1h], 600) / predict_linear(node_filesystem_avail_bytes[1h], 600) - 1))`: {0, 1e-9},
				`job:http_requests:tomorrow{job="quiet"}`:                                                                                    {0.8 * traffic(time.Now().Add(day)), 1.2 * traffic(time.Now().Add(day))},
			},
		},
		{
			plugin: "slo",
			data: func(t *testing.T, h *hearth, _ *rand.Rand) {
				h.past(t, `payments_failed_total`, 30*day-time.Hour, 10*time.Minute, func(ago time.Duration) float64 {
					v := 1000 + (30*day-ago).Hours()/5
					if ago < 6*time.Hour {
						v += 30 * (6*time.Hour - ago).Hours()
					}
					if ago < 10*day {
						v -= 1000 + 20*24/5. // a reset
					}
					return v
				})
			},
			alerts: []string{`ErrorBudgetBurnsFast shop`, `ErrorBudgetBurns shop`, `PaymentsFail `},
			values: map[string][2]float64{
				`job:slo_budget:remaining30d{job="shop"}`:  {0.1, 0.6},
				`job:slo_budget:remaining30d{job="quiet"}`: {0.9, 1},
				`max(abs(slo_burn_rate(job:slo_errors:ratio5m[1h], 0.999) * 0.001 / avg_over_time(job:slo_errors:ratio5m[1h]) - 1))`: {0, 1e-9},
				`job:slo_budget:seconds{job="shop"}`:  {3600, 12 * 3600},
				`payments_failed:budget:remaining30d`: {0.67, 0.69},
				`shop:slo_burn:rate1h{code="500"}`:    {40, 60},
			},
		},
	} {
		t.Run(tt.plugin, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, "plugins", "functions", tt.plugin, "rules.yml"))
			if err != nil {
				t.Fatal(err)
			}
			rules := filepath.Join(t.TempDir(), "rules.yml")
			if err := os.WriteFile(rules, bytes.ReplaceAll(text, []byte("interval: 1m"), []byte("interval: 1s")), 0o600); err != nil {
				t.Fatal(err)
			}
			h := serve(t, fmt.Sprintf("rule_files = [%q]\n[plugins]\ndir = %q\n[storage]\nretention = { time = \"60d\" }\n[[functions]]\nplugin = \"hearth/%s\"\n",
				rules, filepath.Join(root, "bin", "plugins"), tt.plugin)+quietConfig)
			r := rand.New(rand.NewPCG(1, 2))
			tt.data(t, h, r)
			h.requests(t, r)
			for expr, want := range tt.values {
				eventually(t, 20*time.Second, expr, func() error {
					if got, err := h.value(expr); err != nil || !(got >= want[0] && got <= want[1]) {
						return fmt.Errorf("%v, %v; want %v", got, err, want)
					}
					return nil
				})
			}
			slices.Sort(tt.alerts)
			eventually(t, 20*time.Second, "the alerts", func() error {
				res, err := h.api.Alerts(t.Context())
				if err != nil {
					return err
				}
				var got []string
				for _, a := range res.Alerts {
					l := a.Labels
					got = append(got, string(l["alertname"]+" "+l["job"]+l["instance"]+l["mountpoint"]))
				}
				slices.Sort(got)
				if got = slices.Compact(got); !slices.Equal(got, tt.alerts) {
					return fmt.Errorf("%q, want %q", got, tt.alerts)
				}
				return nil
			})
			if _, body := h.get(t, "/api/v1/rules"); strings.Contains(body, `"health":"err"`) {
				t.Errorf("a rule fails: %s", body)
			}
			h.rangesEqualInstants(t, tt.plugin)
		})
	}
}

// rangesEqualInstants asks for a plugin's functions at several times, one by one and at once: each value must be the same bit for bit.
func (h *hearth) rangesEqualInstants(t *testing.T, plugin string) {
	exprs := map[string][]string{
		"anomaly": {
			`anomaly_zscore(node_load1[1h])`, `anomaly_mad(node_load1[1h], 10)`, `anomaly_seasonal(job:http_requests:rate5m[4w], 86400)`,
			`anomaly_zscore(node_load1[20m], scalar(count(node_load1)))`,
		},
		"forecast": {
			`forecast_linear(node_filesystem_avail_bytes[1h], 600)`, `forecast_linear_upper(node_filesystem_avail_bytes[1h], time() / 1e9, 0.8)`,
			`forecast_linear_until_lower(node_filesystem_avail_bytes[1h], 0)`, `forecast_seasonal_lower(job:http_requests:rate5m[2w], 3600, 86400)`,
		},
		"slo": {
			`slo_burn_rate(job:slo_errors:ratio5m[1h], 0.999)`, `slo_multiwindow_burn_rate(job:slo_errors:ratio5m[6h], 0.999)`,
			`slo_event_budget_seconds(payments_failed_total[10d], 1000)`, `slo_event_multiwindow_burn_rate(payments_failed_total[6h], 1000, 2592000)`,
		},
	}[plugin]
	end := time.Now().Add(-time.Minute).Truncate(time.Second)
	for _, expr := range exprs {
		r := promv1.Range{Start: end.Add(-2 * time.Hour), End: end, Step: 10 * time.Minute}
		v, _, _, err := h.api.QueryRange(t.Context(), expr, r)
		matrix, ok := v.(model.Matrix)
		if err != nil || !ok || len(matrix) == 0 {
			t.Errorf("%s: %v, %v", expr, v, err)
			continue
		}
		atOnce := map[string]model.SampleValue{}
		for _, s := range matrix {
			for _, p := range s.Values {
				atOnce[fmt.Sprint(s.Metric, p.Timestamp)] = p.Value
			}
		}
		n := 0
		for at := r.Start; !at.After(end); at = at.Add(r.Step) {
			v, _, _, err := h.api.Query(t.Context(), expr, at)
			if err != nil {
				t.Errorf("%s: %v", expr, err)
				break
			}
			for _, s := range v.(model.Vector) {
				n++
				if got, ok := atOnce[fmt.Sprint(s.Metric, s.Timestamp)]; !ok || got != s.Value {
					t.Errorf("%s at %v: %v alone, %v in a range", expr, at, s, got)
				}
			}
		}
		if n != len(atOnce) {
			t.Errorf("%s: %d values one by one, %d at once", expr, n, len(atOnce))
		}
	}
	bad := map[string]string{
		"anomaly":  `anomaly_seasonal(vector(1)[1h:1m], 86400)`,
		"forecast": `forecast_linear_upper(vector(1)[1h:1m], 60, 95)`,
		"slo":      `slo_burn_rate(vector(1)[1h:1m], 99.9)`,
	}[plugin]
	want := map[string]string{
		"anomaly":  "function anomaly_seasonal of hearth/anomaly: the range is 3600 s, must be at least 176400 s: two seasons and a slot",
		"forecast": "function forecast_linear_upper of hearth/forecast: confidence is 95, must be more than 0 and less than 1, as 0.95",
		"slo":      "function slo_burn_rate of hearth/slo: objective is 99.9, must be more than 0 and less than 1, as 0.999",
	}[plugin]
	if code, body := h.get(t, "/api/v1/query?query="+url.QueryEscape(bad)); code != http.StatusUnprocessableEntity || !strings.Contains(body, want) {
		t.Errorf("%s: %d %s, want %s", bad, code, body, want)
	}
}
