package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/sdk/manifest"
)

func TestRulesAreCheckedBesideTheirPlugins(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("../../plugins/functions/anomaly/" + manifest.FileName)
	if err != nil {
		t.Fatal(err)
	}
	write("plugins/hearth/anomaly/"+manifest.FileName, string(text))
	named := []*config.PluginUse{{Plugin: "hearth/anomaly"}}
	for _, tt := range []struct {
		name, expr string
		uses       []*config.PluginUse
		dir, says  string
	}{
		{"PromQL alone", "sum(up)", nil, "plugins", ""},
		{"a function of a plugin that is named", "anomaly_zscore(up[1h]) > 3", named, "plugins", ""},
		{"arguments are checked, too", "anomaly_zscore(up)", named, "plugins", "expected type range vector"},
		{"a plugin that is not named", "anomaly_zscore(up[1h])", nil, "plugins",
			`unknown function with name "anomaly_zscore": the plugin hearth/anomaly has it and is installed, but the configuration does not name it: add a table [[functions]] with plugin = "hearth/anomaly"`},
		{"a plugin that is not installed", "anomaly_zscore(up[1h])", named, "empty", "plugin hearth/anomaly: it is not installed"},
		{"a function nobody has", "nobody(up)", named, "plugins", `unknown function with name "nobody": neither PromQL nor a plugin in `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write("rules.yml", "groups:\n- name: g\n  rules:\n  - record: r\n    expr: "+tt.expr+"\n")
			cfg := config.Default()
			cfg.RuleFiles, cfg.Functions = []string{filepath.Join(dir, "rules.yml")}, tt.uses
			cfg.Plugins.Dir = filepath.Join(dir, tt.dir)
			err := CheckRules(cfg)
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("error %v, want %s", err, tt.says)
			}
		})
	}
}
