package config

import "testing"

func TestSetListen(t *testing.T) {
	for _, tt := range []struct{ address, target, problem string }{
		{"127.0.0.1:9191", "localhost:9191", ""},
		{"[::1]:9191", "[::1]:9191", ""},
		{":9191", "localhost:9090", `server.listen: ":9191" is open to others than this machine, and nobody is asked who they are; set server.insecure_listen = true if that is wanted`},
		{"nowhere", "localhost:9090", `server.listen: want an address like 127.0.0.1:9090, got "nowhere"`},
	} {
		c := Default()
		problem := ""
		if err := c.SetListen(tt.address); err != nil {
			problem = err.Error()
		}
		if problem != tt.problem {
			t.Errorf("%s: got %q, want %q", tt.address, problem, tt.problem)
		}
		if got := c.ScrapeConfigs[0].StaticConfigs[0].Targets[0]; got != tt.target {
			t.Errorf("%s: the built-in job asks %s, want %s", tt.address, got, tt.target)
		}
		if problem == "" && c.Server.Listen != tt.address || problem != "" && c.Server.Listen != DefaultListen {
			t.Errorf("%s: the address is %s", tt.address, c.Server.Listen)
		}
	}
}

func TestSetListenKeepsWhatTheFileSays(t *testing.T) {
	c, err := Parse([]byte("[server]\ninsecure_listen = true\nexternal_url = \"http://a/b\"\nroute_prefix = \"/c\"\n"), "c.toml")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetListen(":9191"); err != nil || c.Server.EnableLifecycle || c.Server.RoutePrefix != "/c" {
		t.Errorf("%v, %+v", err, c.Server)
	}
	c, err = Parse([]byte("[server]\nlisten = \":1\"\ninsecure_listen = true\nenable_lifecycle = true\n"), "c.toml")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetListen(":9191"); err != nil || !c.Server.EnableLifecycle {
		t.Errorf("%v, %+v", err, c.Server)
	}
}
