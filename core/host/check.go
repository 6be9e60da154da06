package host

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/promql/callout"
	"github.com/hearth-project/hearth/core/rules"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// CheckRules returns every problem in the rule files that cfg names. Functions of plugins that cfg names are known by
// their manifests; no plugin is run.
func CheckRules(cfg *config.Config) error {
	plugins, err := plugin.NewHost(plugin.Options{Dir: cfg.Plugins.Dir})
	if err != nil {
		return err
	}
	defer plugins.Close()
	o := promql.Options{Elsewhere: func(name string) string {
		if where := elsewhere(plugins, name); where != "" {
			return where
		}
		return fmt.Sprintf("neither PromQL nor a plugin in %s has it: if it is a plugin's, install that, and name it in a [[functions]] table", cfg.Plugins.Dir)
	}}
	if err := o.Enable(cfg.Query.EnableFeatures...); err != nil {
		return err
	}
	var known []callout.Function
	var problems []error
	for _, use := range cfg.Functions {
		fs, err := plugins.Functions(use.Plugin)
		if err != nil {
			problems = append(problems, fmt.Errorf("functions: %w", err))
		}
		for _, f := range fs {
			known = append(known, signature(use.Plugin, f))
		}
	}
	engine := promql.New(o)
	if err := engine.SetFunctions(known); err != nil {
		problems = append(problems, fmt.Errorf("functions: %w", err))
	}
	return errors.Join(append(problems, rules.Check(cfg, engine.Parser()))...)
}

// elsewhere tells which plugin in the folder has a function that the configuration does not name, and how to get it.
func elsewhere(plugins *plugin.Host, name string) string {
	for _, p := range plugins.List() {
		if !slices.Contains(p.Kinds, manifest.KindFunction) {
			continue
		}
		fs, err := plugins.Functions(p.ID)
		if err == nil && slices.ContainsFunc(fs, func(f manifest.Function) bool { return f.Name == name }) {
			return fmt.Sprintf("the plugin %s has it and is installed, but the configuration does not name it: add a table [[functions]] with plugin = %q", p.ID, p.ID)
		}
	}
	return ""
}
