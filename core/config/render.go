package config

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"
)

// TOML returns the effective configuration, defaults filled in and secrets hidden.
func (c *Config) TOML() string {
	b, err := toml.Marshal(c)
	if err != nil { // a plugin's settings are all that could be foreign to TOML, and they came from it
		return fmt.Sprintf("# %s\n", err)
	}
	return string(b)
}

// String is TOML: a configuration that is printed shows no secrets.
func (c *Config) String() string { return c.TOML() }

// YAML returns what TOML returns, as YAML, for clients of Prometheus's API that expect it.
func (c *Config) YAML() string {
	var m map[string]any
	if err := toml.Unmarshal([]byte(c.TOML()), &m); err != nil {
		return fmt.Sprintf("# %s\n", err)
	}
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(m); err != nil {
		return fmt.Sprintf("# %s\n", err)
	}
	return b.String()
}
