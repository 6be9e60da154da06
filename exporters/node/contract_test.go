package main

import (
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/manifest"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

func TestContract(t *testing.T) {
	sdktest.Suite{
		New: func() sdk.Plugin { return sdk.Plugin{Exporter: &exporter{}} },
		BadSettings: map[string]string{
			"a collector nobody knows": `{"collectors": ["cpu", "gpu"]}`,
			"no collector left":        `{"collectors": ["cpu"], "exclude_collectors": ["cpu"]}`,
			"a relative path":          `{"procfs": "proc"}`,
			"a set without an end":     `{"fs_types_exclude": ["[a-z"]}`,
			"a text for a list":        `{"fs_types_exclude": "tmpfs"}`,
			"a page of -1 bytes":       `{"page_size": -1}`,
		},
		Volatile: []string{"node_processes_state", "node_arp_entries"},
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
