package config

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

// Build returns the step as the library takes it, or what is wrong with it.
func (r *Relabel) Build() (*relabel.Config, error) {
	c := relabel.DefaultRelabelConfig
	c.NameValidationScheme = model.UTF8Validation
	for _, l := range r.SourceLabels {
		if !nameIsValid(l) {
			return nil, fmt.Errorf("source_labels: %q cannot be the name of a label", l)
		}
		c.SourceLabels = append(c.SourceLabels, model.LabelName(l))
	}
	if r.Separator != nil {
		c.Separator = *r.Separator
	}
	if r.Regex != nil {
		re, err := relabel.NewRegexp(*r.Regex)
		if err != nil {
			return nil, fmt.Errorf("regex: bad regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		c.Regex = re
	}
	if r.Replacement != nil {
		c.Replacement = *r.Replacement
	}
	if r.Action != "" {
		c.Action = relabel.Action(strings.ToLower(r.Action))
	}
	c.Modulus = r.Modulus
	c.TargetLabel = r.TargetLabel
	switch c.Action {
	case relabel.Replace, relabel.Keep, relabel.Drop, relabel.KeepEqual, relabel.DropEqual, relabel.HashMod,
		relabel.LabelMap, relabel.LabelDrop, relabel.LabelKeep, relabel.Lowercase, relabel.Uppercase:
	default:
		return nil, fmt.Errorf("unknown relabel action %q", r.Action)
	}
	if err := c.Validate(model.UTF8Validation); err != nil {
		return nil, err
	}
	return &c, nil
}

// BuildRelabels returns all steps of a list.
func BuildRelabels(list []*Relabel) ([]*relabel.Config, error) {
	out := make([]*relabel.Config, 0, len(list))
	for i, r := range list {
		c, err := r.Build()
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
		out = append(out, c)
	}
	return out, nil
}
