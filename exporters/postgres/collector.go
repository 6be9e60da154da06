package main

import (
	"context"
	"fmt"

	"github.com/hearth-project/hearth/sdk"
)

// collector is one source of metrics, as postgres_exporter divides them.
type collector struct {
	name    string
	off     bool // not without being asked for
	each    bool // of each database, not of the server
	since   int  // first major version of the server that has it
	queries []query
	own     *own // in place of queries: one of the operator's

	collect func(ctx context.Context, e *session, o *output) error // in place of queries
}

// collectors lists all there are.
func (s *settings) collectors() []*collector {
	return []*collector{
		databaseCollector(), wraparoundCollector(), statDatabaseCollector(), conflictsCollector(),
		s.activityCollector(), autovacuumCollector(), longTransactionsCollector(), processIdleCollector(), locksCollector(), progressVacuumCollector(),
		bgwriterCollector(), checkpointerCollector(), archiverCollector(), walCollector(),
		replicationCollector(), replicationSlotsCollector(), statReplicationCollector(), walReceiverCollector(),
		postmasterCollector(), rolesCollector(), settingsCollector(), staticCollector(), buffercacheCollector(),
		s.userTablesCollector(), s.ioUserTablesCollector(), s.ioUserIndexesCollector(), s.statementsCollector(),
	}
}

// run collects from one database.
func (c *collector) run(ctx context.Context, e *session, o *output) (more bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
			sdk.Log().Error("collector panics", "collector", c.name, "value", fmt.Sprint(r))
			e.conn.Conn().Close() // in the middle of an answer, it may be
		}
	}()
	switch {
	case e.major < c.since:
		return false, nil
	case c.collect != nil:
		return false, c.collect(ctx, e, o)
	case c.own != nil:
		return c.own.run(ctx, e, c.name, o)
	}
	for i := range c.queries {
		m, err := o.run(ctx, e, c.name, &c.queries[i])
		more = more || m
		if err != nil {
			return more, err
		}
	}
	return more, nil
}
