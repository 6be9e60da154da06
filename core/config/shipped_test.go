package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func shipped(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../config.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// uncommented takes the # from settings, not from prose.
func uncommented(text string) string {
	return regexp.MustCompile(`(?m)^#([^ \n#])`).ReplaceAllString(text, "$1")
}

// examples is the shipped file with all its examples switched on, without what would read other files.
func examples(t *testing.T) string {
	t.Helper()
	return regexp.MustCompile(`(?m)^(include|scrape_config_files) = .*$`).ReplaceAllString(uncommented(shipped(t)), "")
}

func TestShippedConfigLoads(t *testing.T) {
	c, err := Load("../../config.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.ScrapeConfigs) != 2 || c.ScrapeConfigs[1].Plugin != "hearth/node" {
		t.Errorf("want the jobs hearth and node, got %s", c)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}
}

func TestShippedConfigSaysTheDefaults(t *testing.T) {
	t.Setenv("EXAMPLE_TOKEN", "x")
	text := examples(t)
	for _, own := range []string{"external_labels", `scrape_interval = "15s"        # default`, "evaluation_interval"} {
		text = regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(own)+`.*$`).ReplaceAllString(text, "")
	}
	c, err := Parse([]byte(text), "config.toml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := Parse(nil, "config.toml") // a file that says nothing
	if err != nil {
		t.Fatal(err)
	}
	c.Storage.Path = d.Storage.Path // joined to the folder when written
	for _, part := range []struct{ got, want any }{
		{c.Server, d.Server}, {c.Log, d.Log}, {c.Storage, d.Storage}, {c.Query, d.Query}, {c.Plugins, d.Plugins}, {c.Global, d.Global},
	} {
		if !reflect.DeepEqual(part.got, part.want) {
			t.Errorf("config.toml says %+v, the default is %+v", part.got, part.want)
		}
	}
}

// TestShippedConfigHasEveryKey walks the structs: a key that users can set stands in config.toml.
func TestShippedConfigHasEveryKey(t *testing.T) {
	text := uncommented(shipped(t))
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(ty reflect.Type) {
		for ty.Kind() == reflect.Pointer || ty.Kind() == reflect.Slice || ty.Kind() == reflect.Map {
			ty = ty.Elem()
		}
		if ty.Kind() != reflect.Struct || ty == secretType || seen[ty] {
			return
		}
		seen[ty] = true
		for name, f := range fieldsOf(ty) {
			if !regexp.MustCompile(`(?m)(^|[{,.\[ ])` + name + `( =|\]|\.[a-zX])|(or|,|with) ` + name + `\b`).MatchString(text) {
				t.Errorf("config.toml does not mention %s of %s", name, ty)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Config]())
	if !strings.Contains(text, "scrape_configs") {
		t.Error("nothing was walked")
	}
}
