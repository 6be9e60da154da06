package check

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/core/plugin/local"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		builds.Range(func(_, dir any) bool { return os.RemoveAll(dir.(string)) == nil })
		os.Exit(code)
	}))
}

// builds has the folder of each plugin that was built, by its source.
var builds sync.Map

// build builds a plugin of the tests, once.
func build(t *testing.T, source string) string {
	t.Helper()
	if dir, ok := builds.Load(source); ok {
		return dir.(string)
	}
	dir, err := os.MkdirTemp("", "check-*")
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Load(source)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, m.Artifacts[0].File)}
	if m.Artifacts[0].Mode != manifest.ModeCommand {
		args = append(args, "-buildmode=c-shared")
	}
	cmd := exec.Command("go", append(args, source)...)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(source, manifest.FileName))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, manifest.FileName), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	builds.Store(source, dir)
	return dir
}

// checked runs the suite on a plugin.
func checked(t *testing.T, source string, o Options) *Report {
	t.Helper()
	p, err := local.Open(build(t, source), manifest.Capabilities{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	o.Host, o.Use.ID, o.Manifest, o.From = plugin.Options{Dir: p.Dir}, p.Manifest.ID, p.Manifest, p.From
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lines writes the results that are not ok.
func lines(r *Report) string {
	var b strings.Builder
	for _, x := range r.Results {
		if x.Status != OK {
			fmt.Fprintf(&b, "%s %s: %s\n", x.Status, x.Name, x.Detail)
		}
	}
	return b.String()
}

func TestAPluginThatKeepsTheContract(t *testing.T) {
	slots := map[string][]abi.Arg{"anomaly_seasonal": {{Numbers: []float64{4}}}}
	r := checked(t, "../../../plugins/functions/anomaly", Options{Arguments: slots})
	if got := lines(r); got != "" || !r.Succeeded {
		t.Errorf("got\n%s", got)
	}
	if r.ID != "hearth/anomaly" || r.Size == 0 || r.Start <= 0 || r.Restart <= 0 || r.Measured != "eval" || r.Call <= 0 || r.Answer != 8*manySeries*manySteps || r.Memory == 0 {
		t.Errorf("got %+v", r)
	}
}

func TestACommandThatKeepsTheContract(t *testing.T) {
	r := checked(t, "./testdata/command", Options{})
	if got := lines(r); got != "" || !r.Succeeded || r.Measured != "collect" || r.ABI != "1.0" {
		t.Errorf("got %+v\n%s", r, got)
	}
}

func TestWhatIsWrongIsFound(t *testing.T) {
	r := checked(t, "./testdata/bad", Options{})
	got := lines(r)
	for _, want := range []string{
		"failed a setting it does not know is refused: it is taken, it must be refused with invalid_request",
		"failed every metric has a type and a help text: bad_value has no help text",
		"failed bad_counts has the same answer to the same call: the second answer differs",
		"failed bad_counts has the same answer whatever else is in the batch: series 0 has another answer alone",
		"failed bad_neighbours has the same answer whatever else is in the batch: series 0 has another answer alone",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(got, "\n"); n != 5 || r.Succeeded {
		t.Errorf("got\n%s", got)
	}
}

func TestExportersThatMisbehave(t *testing.T) {
	compiled := filepath.Join(t.TempDir(), "compiled")
	for target, want := range map[string]string{
		"panic":    "failed what it collects is an exposition that Prometheus reads: plugin test/guest: collect: panic: told to",
		"exit":     "failed what it collects is an exposition that Prometheus reads: plugin test/guest: collect: ",
		"much":     "failed what it collects is an exposition that Prometheus reads: plugin test/guest: collect: ",
		"keep":     "failed its memory does not grow with calls: ",
		"dial x:1": "skipped what it collects is an exposition that Prometheus reads: plugin test/guest: collect: ",
		"nonsense": "what is that?: give --target, --settings and --grant-... with which it can measure",
	} {
		t.Run(target, func(t *testing.T) {
			got := lines(checked(t, "../testdata/guest", Options{Target: target, Calls: 8, compiled: compiled}))
			if !strings.Contains(got, want) || !strings.Contains(got, "skipped test_do is computed: ") {
				t.Errorf("no %q in\n%s", want, got)
			}
		})
	}
}

func TestACheckThatCannotBegin(t *testing.T) {
	r := checked(t, "../testdata/guest", Options{Use: plugin.Use{Config: map[string]any{"fail": "denied"}}})
	if got := lines(r); !strings.Contains(got, "failed it is loaded, says what it is and takes its settings: plugin test/guest: configure: settings: told to fail") || r.Succeeded {
		t.Errorf("got\n%s", got)
	}
	r = checked(t, "../testdata/guest", Options{Use: plugin.Use{Grant: plugin.Grant{Env: map[string]string{"HOME": "/"}}}})
	if got := lines(r); !strings.Contains(got, "HOME") {
		t.Errorf("a right it does not ask for: got\n%s", got)
	}
}

func TestExpositionsAreRead(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		series     int
		want       string // in the error, or of what is undescribed
	}{
		{"all is said", "# HELP a A.\n# TYPE a gauge\na 1\na{b=\"c\"} 2\n", 2, ""},
		{"parts of a histogram", "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n", 3, ""},
		{"OpenMetrics", "# HELP a A.\n# TYPE a counter\na_total 1\n# EOF\n", 1, ""},
		{"nothing", "", 0, ""},
		{"no help text", "# TYPE a gauge\na 1\n", 1, "a has no help text"},
		{"many without", "a 1\nb 1\nc 1\nd 1\n", 4, "a has no help text; a has no type; b has no help text; b has no type; c has no help text; and 3 more"},
		{"a series twice", "a{b=\"\"} 1\na 1\n", 0, "the series {__name__=\"a\"} comes twice"},
		{"a type twice", "# TYPE a gauge\n# TYPE a gauge\n", 0, "the type of a comes twice"},
		{"no exposition", "<html>", 0, "after 0 series"},
		{"no number", "a x\n", 0, "after 0 series"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := parse([]byte(tt.text))
			if err != nil {
				if tt.want == "" || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if e.series != tt.series || e.undescribed() != tt.want {
				t.Errorf("got %d series, %q", e.series, e.undescribed())
			}
		})
	}
}
