package rules

import (
	"sync"
	"time"
)

// rule is a rule in force: what it is, what it has written, how it went.
type rule struct {
	env   *env
	group groupSpec
	spec  ruleSpec

	alerts *alerts // nil for a recording rule
	out    *output

	last struct {
		sync.Mutex
		evaluation
	}
}

// evaluation is how an evaluation of a rule went.
type evaluation struct {
	at      time.Time // when it began; zero before the first
	took    time.Duration
	samples int
	health  Health
	err     error
}

func newRule(e *env, g groupSpec, s ruleSpec) *rule {
	r := &rule{env: e, group: g, spec: s, out: newOutput(e.Storage, s)}
	if s.alerting {
		r.alerts = newAlerts()
	}
	r.last.health = HealthUnknown
	return r
}

// record notes how an evaluation went.
func (r *rule) record(at time.Time, took time.Duration, samples int, err error) {
	e := evaluation{at: at, took: took, samples: samples, health: HealthGood, err: err}
	if err != nil {
		e.health = HealthBad
	}
	r.last.Lock()
	defer r.last.Unlock()
	r.last.evaluation = e
}

func (r *rule) lastRun() evaluation {
	r.last.Lock()
	defer r.last.Unlock()
	return r.last.evaluation
}

// takeOver continues a rule of the same identity that a reload has replaced.
func (r *rule) takeOver(old *rule) {
	r.out = old.out
	if r.alerts != nil {
		r.alerts = old.alerts
	}
}
