package config

import (
	"errors"
	"strings"
	"testing"
)

// TestProblems holds every kind of bad input against the exact text a user sees.
func TestProblems(t *testing.T) {
	job := func(more string) string { return "[[scrape_configs]]\njob_name = \"a\"\n" + more }
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"text that is no TOML", "[server\nlisten = 1", []string{`1:8: expected ']' to close table name`}},
		{"a key set twice", "[log]\nlevel = \"info\"\nlevel = \"warn\"", []string{`3:1: key level is already defined`}},
		{"an unknown key with one like it", "[global]\nscrape_intervall = \"15s\"", []string{`2:1: unknown key "global.scrape_intervall"; did you mean "scrape_interval"?`}},
		{"an unknown key like no other", "[global]\nx = 1", []string{`2:1: unknown key "global.x"`}},
		{"an unknown table", "[servr]\n", []string{`1:2: unknown key "servr"; did you mean "server"?`}},
		{"an unknown key within a list", job("static_configs = [{ targets = [], lables = {} }]"), []string{`3:35: unknown key "scrape_configs[0].static_configs[0].lables"; did you mean "labels"?`}},
		{"a duration without unit", "[global]\nscrape_interval = \"15\"", []string{`2:19: global.scrape_interval: not a valid duration string: "15"`}},
		{"a duration that is a number", "[global]\nscrape_interval = 15", []string{`2:19: global.scrape_interval: want text in quotes as "15s", got an integer`}},
		{"a bad size", "[plugins]\nmemory = \"lots\"", []string{`2:10: plugins.memory: not a size like 512MiB: "lots"`}},
		{"a negative size", "[plugins]\nmemory = \"-5MB\"", []string{`2:10: plugins.memory: a size must not be negative: "-5MB"`}},
		{"a number where a list belongs", "rule_files = 3", []string{`1:14: rule_files: want a list, got an integer`}},
		{"a table where text belongs", "[log.level]\nx = 1", []string{`1:6: log.level: want text, got a table`}},
		{"an integer too large", "[query]\nmax_samples = 99999999999999999999", []string{`2:15: decimal number is too large to fit in a 64-bit signed integer`}},
		{"a feature of queries that is none, and limits below nothing", "[query]\nenable_features = [\"use-start-timestamps\", \"agent\"]\nmax_nesting = 0\nthreads = -1",
			[]string{`2:44: query.enable_features[1]: want one of promql-binop-fill-modifiers, promql-delayed-name-removal, promql-duration-expr, promql-experimental-functions, promql-extended-range-selectors, promql-per-step-stats, use-start-timestamps, got "agent"`, `3:15: query.max_nesting: must be more than 0, got 0`, `4:11: query.threads: must not be negative, got -1`}},
		{"all problems at once", "[log]\nlevel = \"loud\"\n[query]\ntimeout = \"0s\"\nmax_samples = -1",
			[]string{`2:9: log.level: want one of debug, info, warn, error, got "loud"`, `4:11: query.timeout: must be more than 0, got 0s`, `5:15: query.max_samples: must be more than 0, got -1`}},
		{"an open address", "[server]\nlisten = \"0.0.0.0:9090\"", []string{`2:10: server.listen: "0.0.0.0:9090" is open to others than this machine, and nobody is asked who they are; set server.insecure_listen = true if that is wanted`}},
		{"an address of every interface", "[server]\nlisten = \":9090\"", []string{`2:10: server.listen: ":9090" is open to others than this machine, and nobody is asked who they are; set server.insecure_listen = true if that is wanted`}},
		{"an address without port", "[server]\nlisten = \"localhost\"", []string{`2:10: server.listen: want an address like 127.0.0.1:9090, got "localhost"`}},
		{"an external URL without scheme", "[server]\nexternal_url = \"example.org\"", []string{`2:16: server.external_url: want a URL like https://hearth.example.org/, got "example.org"`}},
		{"a bad regular expression for origins", "[server]\ncors_origin = \"(\"", []string{"2:15: server.cors_origin: bad regular expression: missing closing ): `(`"}},
		{"a sync that is nothing", "[storage]\nsync = \"often\"", []string{`2:8: storage.sync: want "always", "off" or a time like "200ms", got "often"`}},
		{"a label name that cannot be", "[global]\nexternal_labels = { __name__ = \"x\" }", []string{`2:21: global.external_labels: "__name__" cannot be the name of a label`}},
		{"a variable that is not set", "[global]\nexternal_labels = { a = \"${HEARTH_NOT_SET}\" }", []string{`2:25: global.external_labels.a: environment variable HEARTH_NOT_SET is not set`}},
		{"a global timeout over the interval", "[global]\nscrape_interval = \"5s\"\nscrape_timeout = \"6s\"", []string{`3:18: global.scrape_timeout: 6s is longer than the scrape_interval of 5s`}},
		{"a star in the middle of a rule path", "rule_files = [\"/a*/b.yml\"]", []string{`1:15: rule_files[0]: * may stand in the last part of a path only: "/a*/b.yml"`}},
		{"a job without a name", "[[scrape_configs]]\nscheme = \"http\"", []string{`1:3: scrape_configs[0]: needs a job_name`}},
		{"two jobs of one name", job("") + "\n" + job(""), []string{`5:12: scrape_configs[1]: job_name "a" is taken by the job at c.toml:2:12`}},
		{"a timeout over the interval", job("scrape_interval = \"5s\"\nscrape_timeout = \"10s\""), []string{`4:18: scrape_configs[0].scrape_timeout: 10s is longer than the scrape_interval of 5s`}},
		{"a scheme that is none", job("scheme = \"ftp\""), []string{`3:10: scrape_configs[0].scheme: want one of http, https, got "ftp"`}},
		{"a negative limit", job("sample_limit = -1"), []string{`3:16: scrape_configs[0].sample_limit: must not be negative, got -1`}},
		{"a protocol that is none", job("scrape_protocols = [\"Text\"]"), []string{`3:21: scrape_configs[0].scrape_protocols[0]: want one of OpenMetricsText0.0.1, OpenMetricsText1.0.0, OpenMetricsText2.0.0, PrometheusProto, PrometheusText0.0.4, PrometheusText1.0.0, got "Text"`}},
		{"a protocol twice", job("scrape_protocols = [\"PrometheusText0.0.4\", \"PrometheusText0.0.4\"]"), []string{`3:44: scrape_configs[0].scrape_protocols[1]: PrometheusText0.0.4 stands there twice`}},
		{"a target that is a URL", job("static_configs = [{ targets = [\"http://a/m\"] }]"), []string{`3:32: scrape_configs[0].static_configs[0].targets[0]: want host:port, got "http://a/m"; the path belongs into metrics_path`}},
		{"a discovery file of another kind", job("file_sd_configs = [{ files = [\"/a.txt\"] }]"), []string{`3:31: scrape_configs[0].file_sd_configs[0].files[0]: want a path that ends in .json, .yml or .yaml, with * in its last part only, got "/a.txt"`}},
		{"file discovery without files", job("file_sd_configs = [{ }]"), []string{`3:20: scrape_configs[0].file_sd_configs[0]: needs files`}},
		{"a relabel action that is none", job("relabel_configs = [{ action = \"repalce\" }]"), []string{`3:20: scrape_configs[0].relabel_configs[0]: unknown relabel action "repalce"`}},
		{"a relabel regex that is none", job("relabel_configs = [{ regex = \"(\", target_label = \"a\" }]"), []string{"3:20: scrape_configs[0].relabel_configs[0]: regex: bad regular expression: missing closing ): `^(?s:()$`"}},
		{"a relabel without what it needs", job("metric_relabel_configs = [{ action = \"hashmod\", target_label = \"a\" }]"), []string{`3:27: scrape_configs[0].metric_relabel_configs[0]: relabel configuration for hashmod requires non-zero modulus`}},
		{"two ways to say who we are", job("basic_auth = { username = \"u\" }\nauthorization = { credentials = \"x\" }"), []string{`4:17: scrape_configs[0]: only one of basic_auth, authorization may be set`}},
		{"a password twice", job("basic_auth = { password = \"p\", password_file = \"f\" }"), []string{`3:14: scrape_configs[0].basic_auth: only one of password and password_file may be set`}},
		{"basic as an authorization", job("authorization = { type = \"Basic\" }"), []string{`3:26: scrape_configs[0].authorization.type: for "Basic" there is basic_auth`}},
		{"a secret variable that is not set", job("basic_auth = { password = \"${HEARTH_NOT_SET}\" }"), []string{`3:27: scrape_configs[0].basic_auth.password: environment variable HEARTH_NOT_SET is not set`}},
		{"a secret variable that does not end", job("basic_auth = { password = \"${HEARTH\" }"), []string{"3:27: scrape_configs[0].basic_auth.password: ${ without }; write $${ for ${ itself"}},
		{"a secret file without a path", job("basic_auth = { password = \"file:\" }"), []string{`3:27: scrape_configs[0].basic_auth.password: "file:" needs a path after it, as file:/etc/hearth/password`}},
		{"a certificate without its key", job("tls_config = { cert_file = \"c\" }"), []string{`3:14: scrape_configs[0].tls_config: a certificate needs its key or key_file`}},
		{"a TLS version that is none", job("tls_config = { min_version = \"1.2\" }"), []string{`3:30: scrape_configs[0].tls_config.min_version: want one of TLS10, TLS11, TLS12, TLS13, got "1.2"`}},
		{"a header that is ours", job("http_headers = { host = { values = [\"x\"] } }"), []string{`3:18: scrape_configs[0].http_headers: hearth sets Host itself`}},
		{"no_proxy alone", job("no_proxy = \"x\""), []string{`3:12: scrape_configs[0].no_proxy: means nothing without proxy_url`}},
		{"a plugin without a namespace", job("plugin = \"node\""), []string{`3:10: scrape_configs[0].plugin: want namespace/name, as hearth/node, got "node"`}},
		{"a program that nobody trusts", job("plugin = \"a/b\"\nruntime = \"native\""), []string{`4:11: scrape_configs[0].runtime: a program may do all that hearth's user may, whatever is granted; if it is trusted, add trust = "native"`}},
		{"a runtime that is none", job("plugin = \"a/b\"\nruntime = \"java\""), []string{`4:11: scrape_configs[0].runtime: want one of wasm, native, got "java"`}},
		{"a trust that is none", job("plugin = \"a/b\"\ntrust = \"yes\""), []string{`4:9: scrape_configs[0].trust: want native, sha256: and 64 hexadecimal digits, or nothing, got "yes"`}},
		{"trust without a plugin", job("trust = \"native\""), []string{`3:9: scrape_configs[0]: runtime and trust mean nothing without plugin`}},
		{"a grant without a plugin", job("grant = { net = [\"a:1\"] }"), []string{`3:9: scrape_configs[0].grant: means nothing without plugin`}},
		{"receivers without a route", "[[receivers]]\nname = \"ops\"", []string{`1:3: receivers: nobody is told anything without a [route]`}},
		{"a route without a receiver", "[route]\ngroup_wait = \"1s\"", []string{`1:2: route: needs a receiver, for what no child takes`}},
		{"a receiver that nobody names", "[route]\nreceiver = \"opps\"\n[[receivers]]\nname = \"ops\"", []string{`2:12: route.receiver: no receiver is named "opps"; did you mean "ops"?`}},
		{"a child route to nowhere", "[route]\nreceiver = \"ops\"\nroutes = [{ receiver = \"x\" }]\n[[receivers]]\nname = \"ops\"", []string{`3:24: route.routes[0].receiver: no receiver is named "x"`}},
		{"matchers on the first route", "[route]\nreceiver = \"ops\"\nmatchers = ['a=\"b\"']\n[[receivers]]\nname = \"ops\"", []string{`3:1: route.matchers: the first route takes every alert; matchers belong into route.routes`}},
		{"a matcher that is none", "[[inhibit_rules]]\nsource_matchers = [\"a\"]", []string{`2:20: inhibit_rules[0].source_matchers[0]: want a matcher like severity="page": bad matcher format: a`}},
		{"group_by with all and more", "[route]\nreceiver = \"ops\"\ngroup_by = [\"...\", \"a\"]\n[[receivers]]\nname = \"ops\"", []string{`3:13: route.group_by[0]: "..." is every label and stands alone`}},
		{"a group interval of nothing", "[route]\nreceiver = \"ops\"\ngroup_interval = \"0s\"\n[[receivers]]\nname = \"ops\"", []string{`3:18: route.group_interval: must be more than 0, got 0s`}},
		{"an unknown time interval", "[route]\nreceiver = \"ops\"\nroutes = [{ mute_time_intervals = [\"nights\"] }]\n[[receivers]]\nname = \"ops\"", []string{`3:36: route.routes[0].mute_time_intervals[0]: no time interval is named "nights"`}},
		{"a time that is none", "[[time_intervals]]\nname = \"n\"\ntime_intervals = [{ weekdays = [\"caturday\"] }]", []string{`3:19: time_intervals[0].time_intervals[0]: caturday is not a valid weekday`}},
		{"two receivers of one name", "[route]\nreceiver = \"ops\"\n[[receivers]]\nname = \"ops\"\n[[receivers]]\nname = \"ops\"", []string{`6:8: receivers[1].name: "ops" is the name of another receiver`}},
		{"a notifier without a plugin", "[route]\nreceiver = \"ops\"\n[[receivers]]\nname = \"ops\"\nnotifiers = [{ send_resolved = true }]", []string{`5:14: receivers[0].notifiers[0]: needs a plugin, as hearth/webhook`}},
		{"an include that is not there", "include = [\"/nowhere/x.toml\"]", []string{`1:12: include: no file /nowhere/x.toml`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.in), "c.toml")
			var ps Problems
			if !errors.As(err, &ps) {
				t.Fatalf("want problems, got %v", err)
			}
			want := "c.toml:" + strings.Join(tt.want, "\nc.toml:")
			if got := ps.Error(); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
