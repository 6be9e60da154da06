package main

import (
	"context"
	"time"
)

// maxKept is how many connections are kept between scrapes, one a server; maxIdle is for how long one is that is not
// used: its server is a target no more.
const (
	maxKept = 8
	maxIdle = 5 * time.Minute
)

// sessions are the connections kept between scrapes.
type sessions struct {
	dialer *dialer
	kept   map[address]*session
}

// get returns the connection to a server's main database, the kept one if it still works.
func (k *sessions) get(ctx context.Context, a address) (*session, error) {
	if e := k.kept[a]; e != nil {
		err := e.identify(ctx)
		if err == nil && !e.broken() {
			return e, nil
		}
		k.drop(e)
		if ctx.Err() != nil {
			return nil, connectError(a, ctx.Err())
		}
	}
	return k.dialer.open(ctx, a, k.dialer.Database)
}

// put keeps a connection for the next scrape, or ends it.
func (k *sessions) put(e *session, now time.Time) {
	if e.broken() || !k.dialer.KeepConnection {
		k.drop(e)
		return
	}
	e.used = now
	k.kept[e.address] = e
	oldest := e
	for _, other := range k.kept {
		if now.Sub(other.used) > maxIdle {
			k.drop(other)
		} else if other.used.Before(oldest.used) {
			oldest = other
		}
	}
	if len(k.kept) > maxKept {
		k.drop(oldest)
	}
}

func (k *sessions) drop(e *session) {
	if k.kept[e.address] == e {
		delete(k.kept, e.address)
	}
	e.close()
}
