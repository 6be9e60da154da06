package process

import (
	"errors"
	"slices"
	"time"
)

// tick is how often a pool looks after its processes when nothing happens: secrets that have changed, processes that
// are not needed any more.
const tick = 10 * time.Second

// supervise keeps one process running at least.
func (p *Pool) supervise() {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.look:
		case <-t.C:
			p.refreshSecrets()
		}
		t.Reset(p.tend())
	}
}

// tend starts and stops what is due and returns when to look again at the latest.
func (p *Pool) tend() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed {
		return tick
	}
	now := time.Now()
	if len(p.mu.children)+p.mu.starting == 0 {
		if wait := p.mu.next.Sub(now); wait > 0 {
			return wait
		}
		p.startLocked()
	}
	for len(p.mu.children) > 1 && len(p.mu.idle) > 0 && now.Sub(p.mu.idle[0].idle) > p.engine.o.Idle {
		c := p.mu.idle[0]
		p.mu.idle = p.mu.idle[1:]
		delete(p.mu.children, c) // so that it is missed by nobody
		p.tasks.Go(c.stop)
	}
	return tick
}

func (p *Pool) wakeSupervisor() {
	select {
	case p.look <- struct{}{}:
	default: // it is going to look
	}
}

// startLocked starts a process beside everything else. Pool.mu is held, and the pool is not closed.
func (p *Pool) startLocked() {
	p.mu.starting++
	again := p.mu.reason != nil && len(p.mu.children) == 0
	if again {
		p.mu.restarts++
		if p.plugin.Restarted != nil {
			p.plugin.Restarted()
		}
	}
	p.tasks.Go(func() {
		c, err := p.newChild()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.mu.starting--
		p.wakeLocked()
		if err != nil {
			p.failedLocked(err)
			p.wakeSupervisor()
			return
		}
		if p.mu.closed {
			p.tasks.Go(c.stop)
			return
		}
		p.logger.Info("the plugin's process runs", "pid", c.runner.pid)
		p.mu.children[c] = struct{}{}
		p.mu.idle = append(p.mu.idle, c)
		c.idle = time.Now()
		p.tasks.Go(func() { p.watch(c) })
	})
}

// failedLocked notes that there is no process for a reason, and when there is to be one again. Pool.mu is held.
func (p *Pool) failedLocked(why error) {
	p.mu.failures++
	wait := p.engine.o.Backoff.delay(p.mu.failures)
	p.mu.next, p.mu.reason = time.Now().Add(wait), why
	p.mu.exit, p.mu.exited = why.Error(), time.Now()
	if !p.mu.closed {
		p.logger.Warn("the plugin's process is down: it is started again", "err", why, "in", wait.Round(time.Millisecond), "failures", p.mu.failures)
	}
}

// watch waits for the end of a process that nobody has asked to end, and clears up.
func (p *Pool) watch(c *child) {
	<-c.runner.done
	c.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ours := p.mu.children[c]; !ours {
		return
	}
	delete(p.mu.children, c)
	p.mu.idle = slices.DeleteFunc(p.mu.idle, func(o *child) bool { return o == c })
	p.wakeLocked()
	if p.mu.closed {
		return
	}
	if c.answered || time.Since(c.started) >= p.engine.o.Backoff.Steady {
		p.mu.failures = 0
	}
	p.failedLocked(errors.New(c.exit()))
	p.wakeSupervisor()
}

// refreshSecrets writes secrets that have changed into the folders of all processes.
func (p *Pool) refreshSecrets() {
	if len(p.plugin.Secrets) == 0 {
		return
	}
	values := p.readSecrets()
	p.mu.Lock()
	dirs := make([]string, 0, len(p.mu.children))
	for c := range p.mu.children {
		dirs = append(dirs, c.dir)
	}
	p.mu.Unlock()
	for _, dir := range dirs {
		if err := writeSecrets(dir, values); err != nil && !p.gone(dir) {
			p.logger.Error("a secret can't be given to the plugin", "err", err)
		}
	}
}

// gone tells whether a folder is of no process any more.
func (p *Pool) gone(dir string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.mu.children {
		if c.dir == dir {
			return false
		}
	}
	return true
}

// Status is how the processes of a pool are.
type Status struct {
	PIDs     []int      `json:"pids"`                // that run, in order
	Resident int64      `json:"resident_bytes"`      // memory of them all
	Restarts uint64     `json:"restarts"`            // since the plugin is in use
	LastExit string     `json:"last_exit,omitempty"` // why the last one ended
	ExitedAt *time.Time `json:"exited_at,omitempty"`
	NextTry  *time.Time `json:"next_start,omitempty"` // if none runs
}

// Status tells how the processes are.
func (p *Pool) Status() Status {
	p.mu.Lock()
	s := Status{PIDs: []int{}, Restarts: p.mu.restarts, LastExit: p.mu.exit}
	for c := range p.mu.children {
		s.PIDs = append(s.PIDs, c.runner.pid)
	}
	if at := p.mu.exited; !at.IsZero() {
		s.ExitedAt = &at
	}
	if next := p.mu.next; len(s.PIDs) == 0 && p.mu.reason != nil {
		s.NextTry = &next
	}
	p.mu.Unlock()
	slices.Sort(s.PIDs)
	for _, pid := range s.PIDs {
		s.Resident += residentMemory(pid)
	}
	return s
}
