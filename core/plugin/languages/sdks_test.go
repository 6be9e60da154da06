package languages

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/metric"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

// The SDKs for other languages than Go. Each has a guest in its testdata that does what these tests ask for, so that all
// are held to the same.

var languages = []string{"c", "rust", "assemblyscript"}

// inEachLanguage runs a test with the guest of each SDK.
func inEachLanguage(t *testing.T, test func(t *testing.T, w world, use plugin.Use)) {
	for _, language := range languages {
		t.Run(language, func(t *testing.T) {
			plugins, id := installMade(t, "../../../sdk/"+language+"/testdata")
			test(t, newWorld(t, plugins), plugin.Use{ID: id, Grant: plugin.Grant{Net: []string{"127.0.0.1:*"}}})
		})
	}
}

// TestExpositionOfEachLanguage compares with what sdk/metric makes of the same.
func TestExpositionOfEachLanguage(t *testing.T) {
	text, err := os.ReadFile("../../../sdk/abi/testdata/exposition.txt")
	if err != nil {
		t.Fatal(err)
	}
	want, err := sdktest.ParseExposition(text)
	if err != nil {
		t.Fatal(err)
	}
	inEachLanguage(t, func(t *testing.T, w world, use plugin.Use) {
		got := collectFrom(t, w.open(use), "exposition")
		for series, v := range want.Series {
			if x, ok := got.Series[series]; !ok || math.Float64bits(x) != math.Float64bits(v) {
				t.Errorf("%s is %v (there: %v), want %v", series, x, ok, v)
			}
		}
		for name, help := range want.Help {
			if got.Help[name] != help {
				t.Errorf("help of %s: %q, want %q", name, got.Help[name], help)
			}
		}
		for name, typ := range want.Types {
			if got.Types[name] != typ {
				t.Errorf("type of %s: %q, want %q", name, got.Types[name], typ)
			}
		}
		if len(got.Series) != len(want.Series) || len(got.Types) != len(want.Types) {
			t.Errorf("%d series and %d types, want %d and %d", len(got.Series), len(got.Types), len(want.Series), len(want.Types))
		}
	})
}

func TestRequestsInEachLanguage(t *testing.T) {
	inEachLanguage(t, func(t *testing.T, w world, use plugin.Use) {
		c := w.open(use)
		for _, address := range []string{"db:5432", "", `with "quotes" and a \`, "żółć \U0001f525 <&>\u2028", "tab\tline\nend"} {
			key := "{__name__=\"guest_address\"}"
			if address != "" {
				key = `{__name__="guest_address", address=` + quote(address) + `}`
			}
			wantSeries(t, collectFrom(t, c, address), key, 1)
		}
	})
}

// quote writes a value as labels print it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\u2028", `\u2028`).Replace(s) + `"`
}

func TestSettingsInEachLanguage(t *testing.T) {
	inEachLanguage(t, func(t *testing.T, w world, use plugin.Use) {
		wantSeries(t, collectFrom(t, w.open(use), "settings"), `{__name__="guest_settings", factor="2", loud="false", name="nobody", parts="0"}`, 1)
		use.Config = map[string]any{"name": "ży \"ć\"", "factor": 1.5e2, "loud": true, "parts": []any{"a", map[string]any{"b": []int{1, 2}}, nil}}
		wantSeries(t, collectFrom(t, w.open(use), "settings"), `{__name__="guest_settings", factor="150", loud="true", name="ży \"ć\"", parts="3"}`, 1)
		for text, config := range map[string]map[string]any{
			`settings: name must be a string`:       {"name": 7},
			`settings: factor must be a number`:     {"factor": "7"},
			`settings: loud must be true or false`:  {"loud": 0},
			`settings: unknown setting "nmae"`:      {"nmae": "x"},
			`settings: factor must not be negative`: {"factor": -1},
			`settings: unknown setting "an\\other"`: {`an\other`: "x"},
		} {
			use.Config = config
			if _, err := w.Open(t.Context(), use); err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(text, `\\`, `\`)) {
				t.Errorf("%v: %v, want %q", config, err, text)
			}
		}
	})
}

func TestErrorsInEachLanguage(t *testing.T) {
	inEachLanguage(t, func(t *testing.T, w world, use plugin.Use) {
		use.Grant.Secrets = nil
		c := w.open(use)
		for _, tt := range []struct {
			target, code, text string
			retryable          bool
			after, within      time.Duration
		}{
			{"fail", abi.CodeUnavailable, "told to \"fail\",\\nand so it does", true, 1500 * time.Millisecond, 0},
			{"a bad name", abi.CodeInternal, `"a bad name" is not a metric name`, false, 0, 0},
			{"two kinds", abi.CodeInternal, `twice is a gauge already`, false, 0, 0},
			{"too few values", abi.CodeInternal, `labelled: 1 values for 2 labels`, false, 0, 0},
			{"secret", abi.CodeDenied, `secret "key" is not granted`, false, 0, 0},
			{"loop", abi.CodeTimeout, "no time left", true, 0, 300 * time.Millisecond},
			{"tcp://127.0.0.1:1", abi.CodeUnavailable, "dial 127.0.0.1:1: connection refused", true, 0, 0},
			{"tcp://192.0.2.1:80", abi.CodeDenied, "192.0.2.1:80", false, 0, 0},
			{"tcp://nowhere", abi.CodeInvalidRequest, "the address is not HOST:PORT", false, 0, 0},
		} {
			if tt.within == 0 {
				tt.within = 10 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), tt.within)
			_, _, err := c.Collect(ctx, tt.target)
			cancel()
			var call *plugin.CallError
			if !errors.As(err, &call) || call.Code != tt.code || call.Retryable() != tt.retryable || call.RetryAfter() != tt.after || !strings.Contains(call.Message, tt.text) {
				t.Errorf("%s: %#v, want %s %q", tt.target, err, tt.code, tt.text)
			}
			wantSeries(t, collectFrom(t, c, "x"), `{__name__="guest_address", address="x"}`, 1)
		}
	})
}

func TestSecretsAndLogInEachLanguage(t *testing.T) {
	inEachLanguage(t, func(t *testing.T, w world, use plugin.Use) {
		secret := "s3\"cret\r\n"
		use.Grant.Secrets = map[string]func() (string, error){"key": func() (string, error) { return secret, nil }}
		c := w.open(use)
		wantSeries(t, collectFrom(t, c, "secret"), `{__name__="guest_secret", value="s3\"cret"}`, 1)
		secret = "another"
		wantSeries(t, collectFrom(t, c, "secret"), `{__name__="guest_secret", value="another"}`, 1)
		collectFrom(t, c, "log")
		if !strings.Contains(w.log.String(), "level=WARN msg=\"told to log n=7\"") {
			t.Errorf("the log is\n%s", w.log)
		}
	})
}

// TestConnectionsInEachLanguage has servers of three tempers.
func TestConnectionsInEachLanguage(t *testing.T) {
	listen := func(t *testing.T, serve func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				all.Go(func() { serve(c); c.Close() })
			}
		})
		t.Cleanup(func() { l.Close(); all.Wait() })
		return "tcp://" + l.Addr().String()
	}
	inEachLanguage(t, func(t *testing.T, w world, use plugin.Use) {
		c := w.open(use)
		answers := listen(t, func(c net.Conn) {
			b := make([]byte, len("hello\n"))
			if _, err := c.Read(b); err == nil && string(b) == "hello\n" {
				c.Write(make([]byte, 300_000))
			}
		})
		for range 20 { // more than the sockets an instance may have open
			wantSeries(t, collectFrom(t, c, answers), `{__name__="guest_answer_bytes"}`, 300_000)
		}
		silent := listen(t, func(c net.Conn) { c.Read(make([]byte, 6)); c.Read(make([]byte, 1)) })
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, _, err := c.Collect(ctx, silent)
		var call *plugin.CallError
		if !errors.As(err, &call) || call.Code != abi.CodeTimeout || call.Message != "no time left" {
			t.Errorf("a server that does not answer: %v", err)
		}
	})
}

func TestFunctionsInEachLanguage(t *testing.T) {
	missing := math.Float64frombits(abi.MissingBits)
	inEachLanguage(t, func(t *testing.T, w world, use plugin.Use) {
		use.Config = map[string]any{"factor": 3}
		if functions, err := w.Functions(use.ID); err != nil || len(functions) == 0 {
			return // an SDK for exporters
		}
		c := w.open(use)
		scale := abi.Batch{Function: "guest_scale", Start: 5, Step: 1, Steps: 2, Series: 3, Values: []float64{1, missing, -0.5, math.Inf(1), 1e300, 2}}
		perStep := scale
		perStep.Args = []abi.Arg{{Numbers: []float64{1, 10}}}
		sum := abi.Batch{
			Function: "guest_sum", Start: 1000, Step: 500, Steps: 3, Series: 3, Range: 1000, Offsets: []uint32{0, 3, 3, 4},
			Times: []int64{1, 1000, 1500, 2000}, Samples: []float64{1, 2, 4, 8},
		}
		times := sum
		times.Args = []abi.Arg{{Text: "times"}}
		none := abi.Batch{Function: "guest_scale", Steps: 3, Values: []float64{}}
		for _, tt := range []struct {
			name string
			b    abi.Batch
			want []float64
		}{
			{"scaled by the setting", scale, []float64{3, missing, -1.5, math.Inf(1), 3e300, 6}},
			{"scaled by another number each step", perStep, []float64{1, missing, -0.5, math.Inf(1), 1e300, 20}},
			{"sums of windows", sum, []float64{3, 6, 4, missing, missing, missing, missing, missing, 8}},
			{"times in windows", times, []float64{1001, 1500, 500, missing, missing, missing, missing, missing, 1000}},
			{"no series", none, []float64{}},
		} {
			out := make([]float64, len(tt.want))
			if err := c.Eval(t.Context(), &tt.b, out); err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			for i, v := range tt.want {
				if math.Float64bits(out[i]) != math.Float64bits(v) {
					t.Errorf("%s: cell %d is %v, want %v", tt.name, i, out[i], v)
				}
			}
		}
	})
}

func TestContractInEachLanguage(t *testing.T) {
	inEachLanguage(t, func(t *testing.T, w world, use plugin.Use) {
		contract(t, w.dir, use.ID, sdktest.Suite{Target: "settings", BadSettings: map[string]string{"a negative factor": `{"factor": -1}`}})
	})
}

// echo answers with the address.
type echo struct{}

func (echo) Collect(_ context.Context, t sdk.Target, w *metric.Writer) error {
	w.Gauge("guest_address", "The address.", "address").Sample(1, t.Address)
	return nil
}

// TestVectorsOfRequests gives the vectors to the SDK for Go and to those for other languages.
func TestVectorsOfRequests(t *testing.T) {
	text, err := os.ReadFile(vectors + "vectors/requests.json")
	if err != nil {
		t.Fatal(err)
	}
	var requests []struct {
		Request, Address string
		Refused          bool
	}
	if err := json.Unmarshal(text, &requests); err != nil || len(requests) < 20 {
		t.Fatalf("%d vectors, %v", len(requests), err)
	}
	check := func(t *testing.T, i sdktest.Instance) {
		for _, r := range requests {
			out, err := i.Call(t.Context(), abi.OpCollect, []byte(r.Request))
			if r.Refused {
				if e := sdk.AsError(err); e == nil || e.Code != abi.CodeInvalidRequest || e.Retryable {
					t.Errorf("%s: %q, %v, want it refused", r.Request, out, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", r.Request, err)
				continue
			}
			w := metric.NewWriter(metric.Text)
			w.Gauge("guest_address", "The address.", "address").Sample(1, r.Address)
			if want, _ := w.AppendTo(nil); string(out) != string(want) {
				t.Errorf("%s: %s, want %s", r.Request, out, want)
			}
		}
	}
	t.Run("go", func(t *testing.T) { check(t, sdk.NewInstance(sdk.Plugin{Exporter: echo{}})) })
	inEachLanguage(t, func(t *testing.T, w world, use plugin.Use) { check(t, newTrial(t, w.dir, use.ID, "")) })
}
