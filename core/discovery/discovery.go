// Package discovery finds the targets of scrape jobs. A Provider watches one source, a list in the configuration or
// files, and sends target groups as they change. The Manager runs the providers of each job and delivers all groups
// of a job, in one piece, a moment after something has changed.
package discovery

import (
	"context"
	"maps"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/config"
)

// Group is a set of targets that came from one place and share labels.
type Group struct {
	Source  string          // where it came from; unique within a job
	Targets []labels.Labels // each has __address__, and labels of its own
	Labels  labels.Labels   // of all targets; a target's own win
}

// Provider watches one source of targets.
type Provider interface {
	// Run sends groups as they change until ctx ends, and returns when it has ended. Each message replaces the groups
	// with the same Source; a group without targets removes it. The first message comes as soon as the source has
	// been looked at, even if nothing was found. Problems are the provider's to log: it keeps what was good.
	Run(ctx context.Context, updates chan<- []Group)
}

// static is a Provider of what stands in the configuration.
type static []Group

func newStatic(list []*config.TargetGroup) static {
	groups := make(static, len(list))
	for i, g := range list {
		groups[i] = makeGroup("static:"+itoa(i), g.Targets, g.Labels)
	}
	return groups
}

// Run implements Provider.
func (s static) Run(ctx context.Context, updates chan<- []Group) {
	select {
	case updates <- s:
		<-ctx.Done()
	case <-ctx.Done():
	}
}

// makeGroup turns addresses and shared labels into a Group.
func makeGroup(source string, addresses []string, shared map[string]string) Group {
	g := Group{Source: source, Labels: labels.FromMap(shared), Targets: make([]labels.Labels, len(addresses))}
	for i, a := range addresses {
		g.Targets[i] = labels.FromStrings(model.AddressLabel, a)
	}
	return g
}

// sorted returns the groups of a job in order of Source.
func sorted(bySource map[string]Group) []Group {
	out := make([]Group, 0, len(bySource))
	for _, source := range slices.Sorted(maps.Keys(bySource)) {
		out = append(out, bySource[source])
	}
	return out
}
