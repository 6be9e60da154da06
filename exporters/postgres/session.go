package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// prepare is run once on a connection: no lock is waited for long, texts of times have one form, and no query of a
// catalogue is compiled to machine code, which costs more than it gains.
const prepare = `SET lock_timeout = '1s'; SET datestyle = 'ISO'; SET timezone = 'UTC';
SELECT set_config(name, 'off', false) FROM pg_catalog.pg_settings WHERE name = 'jit'`

// identify is run at the beginning of each scrape, and so tells whether a kept connection still works.
const identify = `SELECT current_setting('server_version_num'), current_setting('server_version'), version()`

// session is a connection to one database of a server.
type session struct {
	conn     *pgconn.PgConn
	address  address
	database string

	major   int    // version of the server: 15
	short   string // 15.18.0
	version string // as the server says it
	plans   map[*query]*plan
	used    time.Time
}

// open connects to a database and makes the connection ready.
func (s *dialer) open(ctx context.Context, a address, database string) (*session, error) {
	c, err := s.dial(ctx, a, database)
	if err != nil {
		return nil, err
	}
	e := &session{conn: c, address: a, database: database, plans: map[*query]*plan{}}
	if err = e.each(ctx, prepare, nil); err == nil {
		err = e.identify(ctx)
	}
	if err != nil {
		e.close()
		return nil, connectError(a, err)
	}
	return e, nil
}

// identify asks the server for its version.
func (e *session) identify(ctx context.Context) error {
	return e.each(ctx, identify, func(_ []pgconn.FieldDescription, row [][]byte) error {
		n, err := strconv.Atoi(string(row[0]))
		if err != nil || n < 90000 {
			return fmt.Errorf("the server says that its version is %q", row[0])
		}
		if major := n / 10000; major != e.major {
			e.major = major
			clear(e.plans)
		}
		e.short = shortVersion(n)
		e.version = string(row[2])
		return nil
	})
}

// shortVersion makes 15.18.0 of 150018, and 9.6.24 of 90624.
func shortVersion(n int) string {
	if n >= 100000 {
		return fmt.Sprintf("%d.%d.0", n/10000, n%10000)
	}
	return fmt.Sprintf("%d.%d.%d", n/10000, n/100%100, n%100)
}

// each runs SQL and calls f for each row of its answers; the row's values are text and valid only meanwhile, nil is
// NULL. An error of f is returned after the answer was read to its end.
func (e *session) each(ctx context.Context, sql string, f func(fields []pgconn.FieldDescription, row [][]byte) error) error {
	m := e.conn.Exec(ctx, sql)
	var failed error
	for m.NextResult() {
		r := m.ResultReader()
		for r.NextRow() {
			if f != nil && failed == nil {
				failed = f(r.FieldDescriptions(), r.Values())
			}
		}
	}
	if err := m.Close(); err != nil {
		return queryError(ctx, err)
	}
	return failed
}

// bounded runs SQL that the server gives up after most of the time that ctx has left, so that its answer to that still
// finds somebody and the connection can be used again.
func (e *session) bounded(ctx context.Context, sql string, f func(fields []pgconn.FieldDescription, row [][]byte) error) error {
	return e.each(ctx, "SET statement_timeout = "+strconv.FormatInt(patience(ctx), 10)+";"+sql, f)
}

// patience is nine tenths of the time ctx has left, in milliseconds, at least 1; without a deadline it is 0, no limit.
func patience(ctx context.Context) int64 {
	d, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(1, time.Until(d).Milliseconds()*9/10)
}

// queryError makes a short text of pgconn's.
func queryError(ctx context.Context, err error) error {
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg):
		return fmt.Errorf("%s (SQLSTATE %s)", pg.Message, pg.Code)
	case ctx.Err() != nil:
		return fmt.Errorf("no answer in time: %w", ctx.Err())
	}
	return err
}

// broken tells whether the connection has ended.
func (e *session) broken() bool { return e.conn.IsClosed() }

// close ends the connection, and waits for what pgconn does at its end.
func (e *session) close() {
	if e.conn.IsClosed() {
		e.conn.Conn().Close() // what the goroutine of pgconn waits for
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		e.conn.Close(ctx)
	}
	<-e.conn.CleanupDone()
}
