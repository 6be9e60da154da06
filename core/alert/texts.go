package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/prometheus/alertmanager/template"

	"github.com/hearth-project/hearth/core/model"
)

// sender is the template of the library's that differs here: who says at the foot of a message that it is of his.
const sender = `{{ define "__alertmanager" }}hearth{{ end }}`

// language returns Alertmanager's template language with its templates, ours, and those of the operator's files, which
// count more in this order.
func language(files []string, external *url.URL) (*template.Template, error) {
	t, err := template.FromGlobs(nil)
	if err != nil {
		return nil, err
	}
	if err := t.Parse(strings.NewReader(sender)); err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := t.FromGlob(f); err != nil {
			return nil, err
		}
	}
	t.ExternalURL = external
	return t, nil
}

// checkTemplates tells which settings of the notifiers cannot be parsed as templates. Those of a notifier that is not
// ready are told of with its first message.
func (p *plan) checkTemplates(ctx context.Context) error {
	for _, r := range p.receivers {
		for i, o := range r.notifiers {
			list, err := o.Templates(ctx)
			if err != nil || len(list) == 0 {
				continue
			}
			scratch, err := language(p.cfg.Templates, p.tmpl.ExternalURL)
			if err != nil {
				return err
			}
			for _, t := range list {
				if err := scratch.Parse(strings.NewReader(t.Text)); err != nil {
					return fmt.Errorf("receiver %q, notifiers[%d], plugin %s: config.%s: %w", r.cfg.Name, i, o.use.Plugin, t.Name, err)
				}
			}
		}
	}
	return nil
}

// fill fills in templates, by their names.
func fill(tmpl *template.Template, list []model.Template, data *template.Data) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	texts := make(map[string]string, len(list))
	for _, t := range list {
		execute := tmpl.ExecuteTextString
		if t.HTML {
			execute = tmpl.ExecuteHTMLString
		}
		var err error
		if texts[t.Name], err = execute(t.Text, data); err != nil {
			return nil, fmt.Errorf("template of setting %s: %w", t.Name, err)
		}
	}
	return texts, nil
}

// Texts fills in templates for a message in JSON, with the operator's template files at hand. It is what a Manager does
// for each message, for trying out a notifier without one.
func Texts(files []string, list []model.Template, message []byte) (map[string]string, error) {
	var data template.Data
	if err := json.Unmarshal(message, &data); err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	template.MarkRouteLabelsRendered(&data)
	tmpl, err := language(files, nil)
	if err != nil {
		return nil, err
	}
	return fill(tmpl, list, &data)
}
