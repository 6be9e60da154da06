package main

import (
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/manifest"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

func TestContract(t *testing.T) {
	grant(t, nil)
	sdktest.Suite{
		New:         newPlugin,
		Settings:    `{"url": "http://127.0.0.1:1/hook"}`,
		Unreachable: `{"url": "http://127.0.0.1:1/hook"}`,
		BadSettings: map[string]string{
			"no URL, and no secret with one":    `{}`,
			"a URL without a host":              `{"url": "http:///hook"}`,
			"a URL of another scheme":           `{"url": "ftp://host/hook"}`,
			"a path for a URL":                  `{"url": "/hook"}`,
			"a number for a URL":                `{"url": 7}`,
			"a limit below zero":                `{"url": "http://host/", "max_alerts": -1}`,
			"a time below zero":                 `{"url": "http://host/", "timeout": "-1s"}`,
			"a time without a unit":             `{"url": "http://host/", "timeout": "10"}`,
			"a name that no header has":         `{"url": "http://host/", "headers": {"X Y": "z"}}`,
			"a header without a name":           `{"url": "http://host/", "headers": {"": "z"}}`,
			"a line end in a header":            `{"url": "http://host/", "headers": {"X": "a\r\nY: b"}}`,
			"a header that the plugin sets":     `{"url": "http://host/", "headers": {"content-type": "text/plain"}}`,
			"authorities twice":                 `{"url": "http://host/", "ca": "x", "ca_file": "/y"}`,
			"authorities that are not PEM":      `{"url": "https://host/", "ca": "x"}`,
			"a file with authorities not there": `{"url": "https://host/", "ca_file": "/no/such/file"}`,
		},
	}.Run(t)
}

func newPlugin() sdk.Plugin { return sdk.Plugin{Notifier: &notifier{}} }

func TestVersionIsTheManifests(t *testing.T) {
	m, err := manifest.Load(".")
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != version {
		t.Errorf("the code says %s, the manifest %s", version, m.Version)
	}
}
