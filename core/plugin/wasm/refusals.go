package wasm

import (
	"log/slog"
	"sync"
)

// refusals logs what the guests of a pool were not allowed to do, each thing once: what a plugin tries says something about
// it, also if it does not complain.
type refusals struct {
	logger *slog.Logger

	mu struct {
		sync.Mutex
		told map[string]bool
	}
}

const maxTold = 50 // different refusals of a pool that are logged

func (r *refusals) tell(why string) {
	r.mu.Lock()
	n := len(r.mu.told)
	first := n <= maxTold && !r.mu.told[why]
	if first {
		if r.mu.told == nil {
			r.mu.told = map[string]bool{}
		}
		r.mu.told[why] = true
	}
	r.mu.Unlock()
	switch {
	case first && n < maxTold:
		r.logger.Warn("the plugin was refused something", "what", why)
	case first:
		r.logger.Warn("the plugin was refused many things: no more of them are logged")
	}
}
