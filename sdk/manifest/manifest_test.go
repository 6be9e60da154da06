package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const whole = `# a manifest with everything in it
schema = 1
id = "acme/postgres"
version = "1.4.0-rc.1+build.5"
abi = "1"
min_abi_minor = 0
kinds = ["exporter", "notifier", "function"]
license = "Apache-2.0"
description = "Measures PostgreSQL."

[[artifact]]
runtime = "wasm"
file = "postgres.wasm" # built by make
mode = "reactor"

[[artifact]]
runtime = "native"
os = "linux"
arch = "amd64"
file = "postgres-linux-amd64"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[capabilities]
net = ["${target}", "api.example.org:443", "*:53", "*.example.org:*", "[::1]:80"]
files = ["/proc", "/sys"]
statfs = ["/", "*"]
secrets = ["password"]
env = ["TZ"]

[limits]
memory_mib = 64
timeout = "10s"
instances = 8

[[function]]
name = "acme_zscore"
args = ["vector", "scalar"]
variadic = 1
shape = "instant"

[[template]]
setting = "headers.*"

[[template]]
setting = "html"
default = "email.default.html"
html = true

[config]
schema = "config.schema.json"
`

func TestParseReadsEveryKey(t *testing.T) {
	m, err := Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if m.ID != "acme/postgres" || m.Artifacts[0].File != "postgres.wasm" || m.Artifacts[1].Arch != "amd64" ||
		m.Limits.Timeout.Std() != 10*time.Second || m.Capabilities.Secrets[0] != "password" ||
		m.Functions[0].Variadic != 1 || m.Config.Schema == "" || m.Templates[1] != (Template{"html", "email.default.html", true}) {
		t.Errorf("got %+v", m)
	}
}

func TestParseReportsAllProblemsAtOnce(t *testing.T) {
	_, err := Parse([]byte(`schema = 2
id = "../node"
version = "v1"
abi = "7"
kinds = ["exporter", "exporter", "spy"]
description = "x"
surprise = 1
[[artifact]]
runtime = "wasm"
os = "linux"
file = "../../bin/sh"
sha256 = "ABC"
[capabilities]
net = ["example.org", "a*b:1", "h:70000", "*x:1"]
files = ["/a/../b", "proc"]
secrets = ["a/b"]
env = ["A-B"]
[limits]
memory_mib = 5000
timeout = "2h"
instances = -1
[[function]]
name = "rate"
args = ["vektor"]
variadic = 3
shape = "cube"
[[template]]
setting = "a..b"
default = "{{ x }}"
[[template]]
setting = "a.*"
default = "x"
[[template]]
setting = "a.*"
`))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`7:1: unknown key "surprise"`, "schema is 2", `id is "../node"`, `version is "v1"`, `abi is "7"`, `"exporter" twice`,
		`"spy"`, "license", "runs anywhere", "artifact[0].file", "artifact[0].sha256", `"example.org"`, `"a*b:1"`, `"h:70000"`, `"*x:1"`,
		`"/a/../b"`, `"proc"`, `"a/b"`, `"A-B"`, "memory_mib", "timeout is 2h", "instances", "need each other", `name is "rate"`,
		`"vektor"`, "variadic is 3", `shape is "cube"`, "template is for plugins of kind", `template[0].setting is "a..b"`, `template[0].default is "{{ x }}"`,
		"template[1].default needs a setting without *", `template[2].setting is "a.*" again`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in:\n%v", want, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing at all", "", "schema"},
		{"text that is not TOML, with its place", "schema = 1\nid = ", "2:"},
		{"a value of the wrong type, with its place", "schema = \"one\"", "1:"},
		{"a time span without a unit", strings.Replace(whole, `"10s"`, `"10"`, 1), "time span"},
		{"a file beyond the size limit", strings.Repeat("#", MaxSize+1), "larger"},
		{"a file name with a folder", strings.Replace(whole, `"postgres.wasm"`, `"x/postgres.wasm"`, 1), "artifact[0].file"},
		{"two builds for one platform", strings.Replace(whole, `runtime = "native"
os = "linux"
arch = "amd64"`, `runtime = "wasm"`, 1), "second build"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse([]byte(tt.in)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want something with %q", err, tt.want)
			}
		})
	}
}

func TestMatchNet(t *testing.T) {
	for _, tt := range []struct {
		entry, address string
		want           bool
	}{
		{"*", "example.org:80", true},
		{"example.org:80", "Example.ORG:80", true},
		{"example.org:80", "example.org.:80", true},
		{"example.org:80", "example.org:81", false},
		{"example.org:*", "example.org:81", true},
		{"*:443", "10.0.0.1:443", true},
		{"*:443", "10.0.0.1:80", false},
		{"*.example.org:443", "a.example.org:443", true},
		{"*.example.org:443", "example.org:443", false},
		{"*.example.org:443", "badexample.org:443", false},
		{"[::1]:80", "[0:0:0:0:0:0:0:1]:80", true},
		{"127.0.0.1:80", "[::ffff:127.0.0.1]:80", true},
		{"${target}", "${target}", false},
		{"*", "no-port", false},
		{"*", ":80", false},
	} {
		if got := MatchNet(tt.entry, tt.address); got != tt.want {
			t.Errorf("MatchNet(%q, %q) = %v", tt.entry, tt.address, got)
		}
	}
}

func TestSealWritesDigestsAndKeepsTheRest(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(FileName, whole)
	write("postgres.wasm", "one")
	if err := Seal(dir); err == nil || !strings.Contains(err.Error(), "postgres-linux-amd64") {
		t.Fatalf("sealed without an artifact: %v", err)
	}
	write("postgres-linux-amd64", "two")
	for range 2 { // the second time replaces
		if err := Seal(dir); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "sha256"); n != 2 || !strings.Contains(string(text), "# built by make") {
		t.Errorf("%d digests in\n%s", n, text)
	}
	m, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	// echo -n one | sha256sum
	if m.Artifacts[0].SHA256 != "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed" {
		t.Errorf("sha256 of the first artifact is %s", m.Artifacts[0].SHA256)
	}
	if err := m.Verify(dir); err != nil {
		t.Error(err)
	}
	write("postgres.wasm", "three")
	if err := m.Verify(dir); !errors.Is(err, ErrDigest) {
		t.Errorf("a changed artifact passes: %v", err)
	}
	m.Artifacts[0].SHA256 = ""
	if err := m.Verify(dir); err == nil {
		t.Error("an unsealed artifact passes")
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "gone")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "gone") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("[[artifact]]\nfile = 1"))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := Parse(in)
		if err == nil && m.Validate() != nil {
			t.Errorf("Parse accepts what Validate refuses: %v", m.Validate())
		}
	})
}
