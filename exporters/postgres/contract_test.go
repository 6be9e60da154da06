package main

import (
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/manifest"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

func TestContract(t *testing.T) {
	s := start(t)
	s.Exec("postgres", "CREATE TABLE orders (id int PRIMARY KEY, note text)")
	var all []*exporter
	t.Cleanup(func() {
		for _, e := range all {
			(&plugin{exporter: e}).close()
		}
	})
	sdktest.Suite{
		New: func() sdk.Plugin {
			e := &exporter{}
			all = append(all, e)
			return sdk.Plugin{Exporter: e}
		},
		Target: s.Address,
		BadSettings: map[string]string{
			"a collector nobody knows":                 `{"collectors": ["locks", "locusts"]}`,
			"no collector left":                        `{"collectors": ["locks"], "exclude_collectors": ["locks"]}`,
			"no user":                                  `{"user": ""}`,
			"no database":                              `{"database": ""}`,
			"a mode of TLS nobody knows":               `{"sslmode": "maybe"}`,
			"authorities twice":                        `{"sslmode": "verify-full", "ca": "x", "ca_file": "/x"}`,
			"authorities that nothing is checked with": `{"sslmode": "prefer", "ca": "x"}`,
			"authorities that are not PEM":             `{"sslmode": "verify-full", "ca": "x"}`,
			"a file of authorities that is not there":  `{"sslmode": "verify-full", "ca_file": "/no/such/file"}`,
			"full verification with no authorities":    `{"sslmode": "verify-full"}`,
			"no time to connect":                       `{"connect_timeout": "0s"}`,
			"no databases":                             `{"max_databases": 0}`,
			"no tables":                                `{"max_tables": 0}`,
			"a choice of databases without discovery":  `{"exclude_databases": ["x"]}`,
			"too many statements":                      `{"statements": {"limit": 100000}}`,
			"no length of statements":                  `{"statements": {"query_length": 0}}`,
			"a query without SQL":                      `{"queries": {"q": {"columns": {"n": {"usage": "GAUGE", "help": "h"}}}}}`,
			"a query without metrics":                  `{"queries": {"q": {"sql": "SELECT 1"}}}`,
			"a query with labels only":                 `{"queries": {"q": {"sql": "SELECT 1 AS n", "columns": {"n": {"usage": "LABEL"}}}}}`,
			"a query whose name no metric can have":    `{"queries": {"a-b": {"sql": "SELECT 1 AS n", "columns": {"n": {"usage": "GAUGE", "help": "h"}}}}}`,
			"a column whose name no metric can have":   `{"queries": {"q": {"sql": "SELECT 1", "columns": {"?column?": {"usage": "GAUGE", "help": "h"}}}}}`,
			"a label whose name is taken":              `{"queries": {"q": {"sql": "SELECT 1 AS n", "columns": {"le": {"usage": "LABEL"}, "n": {"usage": "GAUGE", "help": "h"}}}}}`,
			"a label that is added":                    `{"queries": {"q": {"sql": "SELECT 1 AS n", "each_database": true, "columns": {"datname": {"usage": "LABEL"}, "n": {"usage": "GAUGE", "help": "h"}}}}}`,
			"a usage nobody knows":                     `{"queries": {"q": {"sql": "SELECT 1 AS n", "columns": {"n": {"usage": "NUMBER", "help": "h"}}}}}`,
			"a metric without help":                    `{"queries": {"q": {"sql": "SELECT 1 AS n", "columns": {"n": {"usage": "GAUGE"}}}}}`,
			"a mapping of nothing":                     `{"queries": {"q": {"sql": "SELECT 1 AS n", "columns": {"n": {"usage": "MAPPED", "help": "h"}}}}}`,
			"a mapping of a number":                    `{"queries": {"q": {"sql": "SELECT 1 AS n", "columns": {"n": {"usage": "GAUGE", "help": "h", "mapping": {"a": 1}}}}}}`,
			"too many rows":                            `{"queries": {"q": {"sql": "SELECT 1 AS n", "max_rows": 1000000, "columns": {"n": {"usage": "GAUGE", "help": "h"}}}}}`,
			"a time below zero":                        `{"queries": {"q": {"sql": "SELECT 1 AS n", "timeout": "-1s", "columns": {"n": {"usage": "GAUGE", "help": "h"}}}}}`,
		},
	}.Run(t)
}

func TestVersionIsTheManifests(t *testing.T) {
	m, err := manifest.Load(".")
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != version {
		t.Errorf("the code says %s, the manifest %s", version, m.Version)
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"db:5433", "db:5433"},
		{"db", "db:5432"},
		{"10.0.0.1:6432", "10.0.0.1:6432"},
		{"[2001:db8::1]:5432", "[2001:db8::1]:5432"},
		{"[2001:db8::1]", "[2001:db8::1]:5432"},
		{"2001:db8::1", "[2001:db8::1]:5432"},
		{"", ""},
		{":5432", ""},
		{"db:0", ""},
		{"db:99999", ""},
		{"db:postgres", ""},
		{"postgres://db:5432", ""},
		{"/var/run/postgresql", ""},
	} {
		a, err := parseAddress(tt.text)
		if (err == nil) != (tt.want != "") || err == nil && a.String() != tt.want {
			t.Errorf("%q: got %v, %v, want %s", tt.text, a, err, tt.want)
		}
	}
}
