package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// write puts files into a new folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustLoad(t *testing.T, path string) *Config {
	t.Helper()
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultWatchesItself(t *testing.T) {
	c := Default()
	if len(c.ScrapeConfigs) != 1 {
		t.Fatalf("want one job, got %d", len(c.ScrapeConfigs))
	}
	s := c.ScrapeConfigs[0]
	if s.JobName != "hearth" || s.StaticConfigs[0].Targets[0] != "localhost:9090" || s.ScrapeInterval.Std() != 15*time.Second ||
		s.ScrapeTimeout.Std() != 10*time.Second || !s.HonorTimestamps || !s.FollowRedirects || len(s.ScrapeProtocols) != 4 {
		t.Errorf("unexpected job: %+v", s)
	}
	if !c.Server.EnableLifecycle || c.Server.RoutePrefix != "/" {
		t.Errorf("unexpected server: %+v", c.Server)
	}
}

func TestJobsInheritFromGlobal(t *testing.T) {
	c, err := Parse([]byte(`
[global]
scrape_interval = "5s"
sample_limit = 7
body_size_limit = "1MiB"
[[scrape_configs]]
job_name = "a"
[[scrape_configs]]
job_name = "b"
scrape_interval = "30s"
sample_limit = 9
honor_timestamps = false
follow_redirects = false
`), "c.toml")
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.ScrapeConfigs[0], c.ScrapeConfigs[1]
	if a.ScrapeInterval.Std() != 5*time.Second || a.ScrapeTimeout.Std() != 5*time.Second || a.SampleLimit != 7 || a.BodySizeLimit != 1<<20 {
		t.Errorf("a: %+v", a)
	}
	if b.ScrapeInterval.Std() != 30*time.Second || b.ScrapeTimeout.Std() != 5*time.Second || b.SampleLimit != 9 || b.HonorTimestamps || b.FollowRedirects {
		t.Errorf("b: %+v", b)
	}
}

func TestIncludesJoinTablesAndLists(t *testing.T) {
	dir := write(t, map[string]string{
		"config.toml":        "include = [\"conf.d/*.toml\"]\nscrape_config_files = [\"jobs/*\"]\n[global]\nscrape_interval = \"15s\"\n[[scrape_configs]]\njob_name = \"main\"\n",
		"conf.d/10-a.toml":   "rule_files = [\"rules.yml\"]\n[global]\nevaluation_interval = \"20s\"\n[[scrape_configs]]\njob_name = \"a\"\nbasic_auth = { password_file = \"a.pass\", username = \"u\" }\n",
		"conf.d/20-b.toml":   "[[scrape_configs]]\njob_name = \"b\"\n",
		"conf.d/ignored.yml": "x: y\n",
		"jobs/c.toml":        "[[scrape_configs]]\njob_name = \"c\"\n",
		"jobs/d.yml":         "scrape_configs: [{job_name: d}]\n",
	})
	c := mustLoad(t, filepath.Join(dir, "config.toml"))
	var names []string
	for _, s := range c.ScrapeConfigs {
		names = append(names, s.JobName)
	}
	if got := strings.Join(names, " "); got != "main a b c d" {
		t.Errorf("jobs are %q", got)
	}
	if c.Global.EvaluationInterval.Std() != 20*time.Second || c.Global.ScrapeInterval.Std() != 15*time.Second {
		t.Errorf("global: %+v", c.Global)
	}
	if want := filepath.Join(dir, "conf.d/rules.yml"); c.RuleFiles[0] != want {
		t.Errorf("a path is relative to %s, want %s", c.RuleFiles[0], want)
	}
	if want := filepath.Join(dir, "conf.d/a.pass"); c.ScrapeConfigs[1].BasicAuth.PasswordFile != want {
		t.Errorf("password_file is %s, want %s", c.ScrapeConfigs[1].BasicAuth.PasswordFile, want)
	}
}

func TestIncludesThatContradict(t *testing.T) {
	dir := write(t, map[string]string{
		"config.toml":   "include = [\"conf.d/*\"]\n[log]\nlevel = \"info\"\n",
		"conf.d/a.toml": "include = [\"x\"]\n[log]\nlevel = \"warn\"\nformt = \"text\"\n",
		"conf.d/b.yml":  "log: x\n",
	})
	_, err := Load(filepath.Join(dir, "config.toml"))
	want := strings.ReplaceAll(`DIR/config.toml:1:12: include: DIR/conf.d/b.yml is YAML; only TOML files can be parts of a configuration
DIR/conf.d/a.toml:1:1: include may only stand in the first file
DIR/conf.d/a.toml:3:1: log.level is already set at DIR/config.toml:3:9; a value may stand in one file only
DIR/conf.d/a.toml:4:1: unknown key "log.formt"; did you mean "format"?`, "DIR", dir)
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestLoadOfNothing(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "c.toml"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want that the file does not exist, got %v", err)
	}
}

func TestPrintedConfigReadsBack(t *testing.T) {
	t.Setenv("EXAMPLE_TOKEN", "x")
	c, err := Parse([]byte(examples(t)), "config.toml")
	if err != nil {
		t.Fatal(err)
	}
	back, err := Parse([]byte(c.String()), "config.toml")
	if err != nil {
		t.Fatalf("%v\n%s", err, c)
	}
	if got, want := back.String(), c.String(); got != want {
		t.Errorf("printed and read back:\n%s\nwant\n%s", got, want)
	}
	if !strings.Contains(c.YAML(), "job_name: hearth") {
		t.Errorf("YAML without the job:\n%s", c.YAML())
	}
}

func TestExternalURLGivesThePrefix(t *testing.T) {
	for in, want := range map[string]string{
		"": "/",
		`external_url = "https://example.org/hearth/"`:                       "/hearth",
		"external_url = \"https://example.org/hearth\"\nroute_prefix = \"\"": "/",
		`route_prefix = "a/b"`: "/a/b",
	} {
		c, err := Parse([]byte("[server]\n"+in), "c.toml")
		if err != nil {
			t.Fatal(err)
		}
		if c.Server.RoutePrefix != want {
			t.Errorf("%q gives prefix %q, want %q", in, c.Server.RoutePrefix, want)
		}
	}
}

func TestLifecycleIsOffForOthers(t *testing.T) {
	c, err := Parse([]byte("[server]\nlisten = \":9090\"\ninsecure_listen = true\n"), "c.toml")
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.EnableLifecycle {
		t.Error("anybody who can connect could reload")
	}
}

func TestRelabelDefaultsAreTheLibrarys(t *testing.T) {
	c, err := Parse([]byte("[[scrape_configs]]\njob_name = \"a\"\nrelabel_configs = [{ target_label = \"x\", separator = \"\" }]\n"), "c.toml")
	if err != nil {
		t.Fatal(err)
	}
	built, err := BuildRelabels(c.ScrapeConfigs[0].RelabelConfigs)
	if err != nil {
		t.Fatal(err)
	}
	if b := built[0]; b.Separator != "" || b.Replacement != "$1" || b.Regex.String() != "(.*)" || string(b.Action) != "replace" {
		t.Errorf("built %+v", b)
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("../../config.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uncommented(string(b)), false)
	f.Add("a.b.c = [{x=1},[2.5,[nan]]]\n[[t]]\n[t.u]\nd = 1979-05-27T07:32:00Z\n", false)
	f.Add("global: {scrape_interval: 15s}\nscrape_configs: [{job_name: a, static_configs: [{targets: ['a:1']}]}]\n", true)
	f.Add("a: &a [*a]\nb: {<<: {x: 1}}\n", true)
	f.Fuzz(func(t *testing.T, text string, yaml bool) {
		name := "c.toml"
		if yaml {
			name = "c.yml"
		}
		l := newLoader()
		l.read = func(string) ([]byte, error) { return nil, os.ErrNotExist }
		l.glob = func(string) ([]string, error) { return nil, nil }
		l.env = func(name string) (string, bool) { return name, true }
		c, err := l.load([]byte(text), name)
		if err != nil {
			var ps Problems
			if !errors.As(err, &ps) || len(ps) == 0 {
				t.Fatalf("an error that is no Problems: %v", err)
			}
			return
		}
		again, err := Parse([]byte(c.TOML()), "c.toml")
		if err != nil {
			t.Fatalf("printed configuration does not read back: %v\n%s", err, c)
		}
		if !reflect.DeepEqual(again.Query, c.Query) {
			t.Fatalf("query settings changed: %+v, %+v", again.Query, c.Query)
		}
	})
}
