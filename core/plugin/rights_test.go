package plugin

import (
	"slices"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/plugin/wasm"
	"github.com/hearth-project/hearth/sdk/manifest"
)

func TestDecide(t *testing.T) {
	secret := func() (string, error) { return "", nil }
	for _, tt := range []struct {
		name    string
		asked   manifest.Capabilities
		grant   Grant
		want    wasm.Rights
		missing string
		err     string
	}{
		{"nothing is nothing", manifest.Capabilities{}, Grant{}, wasm.Rights{}, "", ""},
		{"what is asked for and granted is given",
			manifest.Capabilities{Net: []string{"db:5432"}, Files: []string{"/proc"}, Statfs: []string{"/"}},
			Grant{Net: []string{"db:5432"}, Files: []string{"/proc"}, Statfs: []string{"/"}},
			wasm.Rights{Net: []string{"db:5432"}, Files: []string{"/proc"}, Statfs: []string{"/"}}, "", ""},
		{"what is asked for and not granted is missing",
			manifest.Capabilities{Net: []string{"*"}, Files: []string{"/proc", "/sys"}, Statfs: []string{"*"}, Secrets: []string{"password"}, Env: []string{"TZ"}},
			Grant{Files: []string{"/proc"}}, wasm.Rights{Files: []string{"/proc"}},
			`net = ["*"], files = ["/sys"], statfs = ["*"], secrets.password, env.TZ`, ""},
		{"of two folders the inner one counts", manifest.Capabilities{Files: []string{"/etc", "/var/lib/x"}}, Grant{Files: []string{"/etc/ssl", "/var/"}},
			wasm.Rights{Files: []string{"/etc/ssl", "/var/lib/x"}}, "", ""},
		{"a name that only begins alike is no folder", manifest.Capabilities{Files: []string{"/etc"}}, Grant{Files: []string{"/etcetera"}}, wasm.Rights{}, "", `files has "/etcetera"`},
		{"a relative path is no grant", manifest.Capabilities{Files: []string{"/etc"}}, Grant{Files: []string{"etc"}}, wasm.Rights{}, "", `files has "etc"`},
		{"everything granted is what is asked for", manifest.Capabilities{Files: []string{"/proc"}, Statfs: []string{"/"}}, Grant{Files: []string{"/"}, Statfs: []string{"*"}},
			wasm.Rights{Files: []string{"/proc"}, Statfs: []string{"/"}}, "", ""},
		{"addresses are compared when they are dialled", manifest.Capabilities{Net: []string{"*:443", "${target}"}}, Grant{Net: []string{"api.example.org:443", "db:5432"}},
			wasm.Rights{Net: []string{"api.example.org:443", "db:5432"}}, "", ""},
		{"a suffix covers names below it", manifest.Capabilities{Net: []string{"*.example.org:443"}}, Grant{Net: []string{"api.example.org:*"}},
			wasm.Rights{Net: []string{"api.example.org:*"}}, "", ""},
		{"another port is not asked for", manifest.Capabilities{Net: []string{"*:443"}}, Grant{Net: []string{"db:5432"}}, wasm.Rights{}, "", `it asks for *:443`},
		{"another suffix is not asked for", manifest.Capabilities{Net: []string{"*.example.org:443"}}, Grant{Net: []string{"*.example.com:443"}}, wasm.Rights{}, "", `net has`},
		{"the target may be granted for an address that is asked for", manifest.Capabilities{Net: []string{"*:5432"}}, Grant{Net: []string{"${target}"}},
			wasm.Rights{Net: []string{"${target}"}}, "", ""},
		{"all that is superfluous is told at once", manifest.Capabilities{Secrets: []string{"password"}},
			Grant{Net: []string{"a:1"}, Statfs: []string{"/"}, Secrets: map[string]func() (string, error){"pasword": secret}, Env: map[string]string{"PATH": ""}}, wasm.Rights{}, "",
			`grant.net has "a:1", the plugin asks for nothing of that kind: take it out
grant.statfs has "/", the plugin asks for nothing of that kind: take it out
grant.secrets has "pasword", which the plugin does not ask for: take it out; it asks for password
grant.env has "PATH", the plugin asks for nothing of that kind: take it out`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, missing, err := decide(tt.asked, tt.grant)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if err != nil {
				return
			}
			if !slices.Equal(got.Net, tt.want.Net) || !slices.Equal(got.Files, tt.want.Files) || !slices.Equal(got.Statfs, tt.want.Statfs) {
				t.Errorf("got net %q, files %q, statfs %q", got.Net, got.Files, got.Statfs)
			}
			if s := strings.Join(missing, ", "); s != tt.missing {
				t.Errorf("missing %s, want %s", s, tt.missing)
			}
		})
	}
}

func TestAddressOfATarget(t *testing.T) {
	for target, want := range map[string]string{
		"db:5432": "db:5432", "[::1]:80": "[::1]:80", "http://db/x": "db:80", "https://db/x": "db:443", "redis://:pw@db:6379/0": "db:6379",
		"db": "", "": "", ":80": "", "redis://db": "", "*:80": "", "db:*": "", "http://*/": "", "://": "", "a b": "",
	} {
		if got := wasm.Address(target); got != want {
			t.Errorf("%q has the address %q, want %q", target, got, want)
		}
	}
}
