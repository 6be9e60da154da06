package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"

	amcommon "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"

	"github.com/hearth-project/hearth/core/config"
)

// plan is what one configuration says, ready to be put in force: making it is all that may fail.
type plan struct {
	cfg       *config.Config
	tmpl      *template.Template
	routes    *dispatch.Route // nil without a [route]
	receivers []*receiver
	opened    []*opened // of all receivers
	rules     []amcommon.InhibitRule
	intervals map[string][]timeinterval.TimeInterval
}

// plan makes the plan of cfg. It takes over from before, if there is one, the notifiers that did not change.
func (m *Manager) plan(cfg *config.Config, before *plan) (*plan, error) {
	p := &plan{cfg: cfg}
	var err error
	if p.tmpl, err = language(cfg.Templates, m.opts.ExternalURL); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	if p.routes, err = routeTree(cfg.Route); err != nil {
		return nil, err
	}
	if p.rules, err = inhibitions(cfg.InhibitRules); err != nil {
		return nil, err
	}
	if p.intervals, err = intervals(cfg.TimeIntervals); err != nil {
		return nil, err
	}
	used := map[string]bool{}
	if p.routes != nil {
		p.routes.Walk(func(r *dispatch.Route) { used[r.RouteOpts.Receiver] = true })
	}
	var old []*opened
	if before != nil {
		old = before.opened
	}
	if p.receivers, err = m.openReceivers(cfg, used, old); err != nil {
		return nil, err
	}
	for _, r := range p.receivers {
		p.opened = append(p.opened, r.notifiers...)
	}
	if err := p.checkTemplates(context.Background()); err != nil {
		fresh := slices.DeleteFunc(slices.Clone(p.opened), func(o *opened) bool { return slices.Contains(old, o) })
		return nil, errors.Join(err, closeAll(fresh))
	}
	return p, nil
}

// used counts the receivers that a route leads to.
func (p *plan) used() (n int) {
	for _, r := range p.receivers {
		if r.used {
			n++
		}
	}
	return n
}

// warn tells of settings that do not do what they seem to.
func (m *Manager) warn(p *plan) {
	for _, r := range p.receivers {
		if !r.used && p.routes != nil {
			m.log.Info("no route names this receiver: it is not told anything", "receiver", r.cfg.Name)
		}
	}
	if p.routes == nil {
		return
	}
	p.routes.Walk(func(r *dispatch.Route) {
		if o := r.RouteOpts; o.RepeatInterval < o.GroupInterval {
			m.log.Warn("repeat_interval is shorter than group_interval: repetitions come with the next group_interval",
				"route", r.Key(), "repeat_interval", o.RepeatInterval, "group_interval", o.GroupInterval)
		}
	})
}
