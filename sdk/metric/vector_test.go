package metric_test

import (
	"flag"
	"math"
	"os"
	"testing"

	"github.com/hearth-project/hearth/sdk/metric"
)

var rewrite = flag.Bool("rewrite", false, "write testdata anew")

// TestTheExpositionOfAllSDKs writes what the guests of the SDKs for other languages write: sdk/c/testdata and so on.
func TestTheExpositionOfAllSDKs(t *testing.T) {
	const file = "../abi/testdata/exposition.txt"
	w := metric.NewWriter(metric.Text)
	odd := w.Gauge("odd_values", "Values that are hard to write:\n\"quotes\" and a back\\slash.", "which")
	for _, v := range []struct {
		which string
		v     float64
	}{
		{"sum", math.Nextafter(0.3, 1)}, {"nan", math.NaN()}, {"inf", math.Inf(1)}, {"less", math.Inf(-1)}, {"large", 1e300}, {"small", 5e-324},
		{"exact", 9007199254740993}, {"minus zero", math.Copysign(0, -1)}, {"\xffé\xe2\x82", -12.5},
	} {
		odd.Sample(v.v, v.which)
	}
	calls := w.Counter("calls_total", "Calls.", "path", "code")
	calls.Sample(3, "C:\\tmp\n\"x\"", "200")
	calls.Sample(1e15, "", "500")
	w.Untyped("unknown", "").Sample(1)
	seconds := w.Histogram("call_seconds", "Time of a call.", "path")
	seconds.Histogram(5, 1.75, []metric.Bucket{{UpperBound: 0.1, Count: 1}, {UpperBound: 1, Count: 4}}, "/")
	seconds.Histogram(0, 0, []metric.Bucket{{UpperBound: 0.1}, {UpperBound: math.Inf(1)}}, "")
	w.Gauge("nothing", "A family without samples is left out.")
	got, err := w.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(got) != string(want) {
		t.Errorf("%v, got\n%s", err, got)
	}
}
