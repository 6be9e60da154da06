package sock

import (
	"encoding/binary"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// Layout of WASI's poll_oneoff: an array of subscriptions in, an array of events out.
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#poll_oneoff
const (
	subscriptionSize = 48
	eventSize        = 32
	maxSubscriptions = 4096

	eventClock = 0
	eventRead  = 1
	eventWrite = 2

	clockRealtime  = 0
	clockMonotonic = 1

	errnoFault   = 21
	errnoNotsup  = 58
	flagAbsolute = 1
)

// Poll is poll_oneoff. It waits for clocks and attached sockets; other descriptors are always ready. When the call's
// context ends it does not return: its panic unwinds the guest, as the meter's does.
//
// wazero's own can't wait for sockets: it calls them not pollable, or ready at once.
func (n *Net) Poll(mem api.Memory, in, out, count, events uint32) uint32 {
	if count == 0 || count > maxSubscriptions {
		return errnoInval
	}
	subs, ok1 := mem.Read(in, count*subscriptionSize)
	evts, ok2 := mem.Read(out, count*eventSize)
	if !ok1 || !ok2 {
		return errnoFault
	}
	n.subs = append(n.subs[:0], subs...) // the events may be written over them
	p := poll{n: n, subs: n.subs, evts: evts}
	if errno := p.clocks(); errno != 0 {
		return errno
	}
	for {
		if p.collect(time.Now()); p.ready > 0 {
			break
		}
		p.wait()
	}
	if !mem.WriteUint32Le(events, p.ready) {
		return errnoFault
	}
	return 0
}

// poll is one poll_oneoff.
type poll struct {
	n     *Net
	subs  []byte // a copy
	evts  []byte // in the guest's memory
	ready uint32 // events written

	timed    bool
	deadline time.Time // the earliest of the clocks
}

var le = binary.LittleEndian

// each calls f with each subscription and its kind.
func (p *poll) each(f func(sub []byte, kind byte)) {
	for at := 0; at < len(p.subs); at += subscriptionSize {
		sub := p.subs[at : at+subscriptionSize]
		f(sub, sub[8])
	}
}

// due returns when a clock subscription is over.
func (p *poll) due(sub []byte, now time.Time) (time.Time, uint32) {
	ns := int64(min(le.Uint64(sub[24:]), 1<<62))
	if le.Uint16(sub[40:])&flagAbsolute == 0 {
		return now.Add(time.Duration(ns)), 0
	}
	switch le.Uint32(sub[16:]) {
	case clockRealtime:
		return time.Unix(0, ns), 0
	case clockMonotonic:
		return p.n.start.Add(time.Duration(ns)), 0
	}
	return time.Time{}, errnoNotsup
}

// clocks finds the earliest clock. All that run out with it are ready then.
func (p *poll) clocks() (errno uint32) {
	now := time.Now()
	p.each(func(sub []byte, kind byte) {
		switch kind {
		case eventClock:
			at, e := p.due(sub, now)
			if e != 0 {
				errno = e
				return
			}
			// The moment, on the guest's clock, replaces what the subscription says, for collect.
			since := max(0, at.Sub(p.n.start))
			if at = p.n.start.Add(since); !p.timed || at.Before(p.deadline) {
				p.timed, p.deadline = true, at
			}
			le.PutUint64(sub[24:], uint64(since))
			le.PutUint16(sub[40:], flagAbsolute)
			le.PutUint32(sub[16:], clockMonotonic)
		case eventRead, eventWrite:
		default:
			errno = errnoInval
		}
	})
	return errno
}

// collect writes an event for each subscription that is ready.
func (p *poll) collect(now time.Time) {
	p.each(func(sub []byte, kind byte) {
		switch kind {
		case eventClock:
			if at, _ := p.due(sub, now); now.Before(at) {
				return
			}
		case eventRead, eventWrite:
			if s := p.n.attached[int32(le.Uint32(sub[16:]))]; s != nil && !s.ready(direction(kind-eventRead)) {
				return
			}
		}
		e := p.evts[p.ready*eventSize:][:eventSize]
		clear(e)
		copy(e, sub[:8]) // the guest's own mark
		e[10] = kind
		if kind != eventClock {
			le.PutUint64(e[16:], 1) // at least one byte
		}
		p.ready++
	})
}

func (p *poll) wait() {
	p.each(func(sub []byte, kind byte) {
		if kind == eventClock {
			return
		}
		if s := p.n.attached[int32(le.Uint32(sub[16:]))]; s != nil {
			s.watch(direction(kind - eventRead))
		}
	})
	var timer <-chan time.Time
	if p.timed {
		t := time.NewTimer(time.Until(p.deadline))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-p.n.wake:
	case <-timer:
	case <-p.n.call.ctx.Done():
		panic(sys.NewExitError(sys.ExitCodeContextCanceled))
	}
}
