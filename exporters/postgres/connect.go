package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hearth-project/hearth/sdk"
)

// maxMessage is the largest message taken from a server, in bytes: a row, or a part of an answer. A longer one ends the
// connection.
const maxMessage = 4 << 20

// blank is a connection string that leaves nothing to the environment or to files of the process' user.
const blank = "host=localhost user=none sslmode=disable passfile='' sslrootcert='' sslcert='' sslkey='' sslpassword='' options='' application_name=hearth"

// address is a server's.
type address struct {
	host string
	port uint16
}

func (a address) String() string { return net.JoinHostPort(a.host, strconv.Itoa(int(a.port))) }

// parseAddress reads host or host:port, with brackets around an IPv6 address.
func parseAddress(s string) (address, error) {
	host, port := s, "5432"
	if h, p, err := net.SplitHostPort(s); err == nil {
		host, port = h, p
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@#?[] ") {
		return address{}, fmt.Errorf("%q is not the address of a server, must be host:port", s)
	}
	return address{host, uint16(n)}, nil
}

// dialer makes connections.
type dialer struct {
	*settings
	base *pgconn.Config
}

// newDialer reads pgconn's defaults, which looks for files of the process' user, so once is enough.
func newDialer(s *settings) (*dialer, error) {
	base, err := pgconn.ParseConfig(blank)
	if err != nil {
		return nil, fmt.Errorf("pgconn: %w", err)
	}
	return &dialer{s, base}, nil
}

// dial opens a connection to a database and logs in. ctx bounds that, and nothing after it.
func (s *dialer) dial(ctx context.Context, a address, database string) (c *pgconn.PgConn, err error) {
	conf := s.base.Copy()
	conf.Host, conf.Port, conf.User, conf.Database = a.host, a.port, s.Username, database
	conf.MaxProtocolMessageBodyLen = maxMessage
	if sdk.HasSecret("password") {
		if conf.Password, err = sdk.Secret("password"); err != nil {
			return nil, err
		}
	}
	if conf.TLSConfig, err = s.tls(a.host); err != nil {
		return nil, err
	}
	if s.SSLMode == "prefer" {
		conf.Fallbacks = []*pgconn.FallbackConfig{{Host: a.host, Port: a.port}}
	}
	if s.SSLMode == "prefer" || s.SSLMode == "disable" {
		conf.RequireAuth = "!password" // whoever asks for it in clear may be anybody
	}
	// pgconn dials once more to cancel what a connection was doing when its context ended. statement_timeout does that
	// here, and a server that hangs is not to be dialled again.
	var connected atomic.Bool
	conf.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if connected.Load() {
			return nil, errors.New("connected already")
		}
		return sdk.DialContext(ctx, network, addr)
	}
	conf.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	c, err = pgconn.ConnectConfig(ctx, conf)
	connected.Store(true)
	if err != nil {
		return nil, connectError(a, err)
	}
	return c, nil
}

// connectError makes a short text of pgconn's, and tells what the operator can mend.
func connectError(a address, err error) error {
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, fs.ErrPermission):
		return sdk.Errorf(sdk.CodeDenied, "connect to %s: %w", a, innermost(err))
	case errors.As(err, &pg) && strings.HasPrefix(pg.Code, "28"): // invalid authorization
		return sdk.Errorf(sdk.CodeUnauthenticated, "connect to %s: %s", a, pg.Message)
	case errors.As(err, &pg):
		return sdk.Retry(sdk.CodeUnavailable, 0, "connect to %s: %s", a, pg.Message)
	case errors.Is(err, context.DeadlineExceeded):
		return sdk.Retry(sdk.CodeTimeout, 0, "connect to %s: no answer in time", a)
	}
	return sdk.Retry(sdk.CodeUnavailable, 0, "connect to %s: %w", a, innermost(err))
}

// innermost drops what pgconn says around the error of the first attempt: user and database, addresses, line ends.
func innermost(err error) error {
	var (
		op   *net.OpError
		cert *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &cert):
		return cert
	case errors.As(err, &op):
		return op
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	if _, after, ok := strings.Cut(text, "): "); ok { // after "host:port (host)"
		text = after
	}
	return &flat{text, err}
}

// flat is an error with a text of one line.
type flat struct {
	text string
	err  error
}

func (f *flat) Error() string { return f.text }
func (f *flat) Unwrap() error { return f.err }
