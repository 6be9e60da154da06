package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hearth-project/hearth/sdk"
)

// settings is the plugin's table config. Secrets the operator may grant: password, ca, certificate, key.
type settings struct {
	Username string `json:"user"`
	Database string `json:"database"` // the one to connect to

	SSLMode    string `json:"sslmode"`     // as libpq's: disable, prefer, require, verify-ca, verify-full
	CA         string `json:"ca"`          // PEM certificates of the authorities to trust; or the secret ca
	CAFile     string `json:"ca_file"`     // a granted file with them
	ServerName string `json:"server_name"` // that the certificate must be for; empty: the target's host

	ConnectTimeout sdk.Duration `json:"connect_timeout"` // at most half of the call's time
	KeepConnection bool         `json:"keep_connection"` // from scrape to scrape

	Collectors        []string `json:"collectors"`         // these only; empty: the default ones
	ExcludeCollectors []string `json:"exclude_collectors"` // not these

	DiscoverDatabases bool     `json:"discover_databases"` // measure tables in all databases, not in one only
	IncludeDatabases  []string `json:"include_databases"`  // of those discovered; empty: all
	ExcludeDatabases  []string `json:"exclude_databases"`
	MaxDatabases      int      `json:"max_databases"` // of those discovered
	MaxTables         int      `json:"max_tables"`    // of a database, the largest

	ActivityDetail bool `json:"activity_detail"` // pg_stat_activity by user, application, kind and wait event
	ServerLabel    bool `json:"server_label"`    // as postgres_exporter had until 0.15

	Statements statementSettings      `json:"statements"`
	Queries    map[string]customQuery `json:"queries"` // by the prefix of their metrics
}

// statementSettings tunes the collector stat_statements.
type statementSettings struct {
	Limit       int  `json:"limit"`        // statements taken, those that took the most time
	Query       bool `json:"query"`        // with their text
	QueryLength int  `json:"query_length"` // characters of it
}

func defaults() settings {
	return settings{
		Username: "postgres", Database: "postgres", SSLMode: "prefer",
		ConnectTimeout: sdk.Duration(5 * time.Second), KeepConnection: true,
		MaxDatabases: 50, MaxTables: 1000,
		Statements: statementSettings{Limit: 100, QueryLength: 120},
	}
}

func (s *settings) validate() error {
	switch {
	case s.Username == "" || strings.ContainsRune(s.Username, 0):
		return fmt.Errorf("user is empty, or has a zero byte")
	case s.Database == "" || strings.ContainsRune(s.Database, 0):
		return fmt.Errorf("database is empty, or has a zero byte")
	case !slices.Contains(sslModes, s.SSLMode):
		return fmt.Errorf("sslmode is %q, must be one of %s", s.SSLMode, strings.Join(sslModes, ", "))
	case s.CA != "" && s.CAFile != "":
		return fmt.Errorf("ca and ca_file are both given; keep one")
	case (s.CA != "" || s.CAFile != "") && (s.SSLMode == "disable" || s.SSLMode == "prefer"):
		return fmt.Errorf("authorities are given, but with sslmode %s nothing is checked; use verify-full", s.SSLMode)
	case s.ConnectTimeout <= 0:
		return fmt.Errorf("connect_timeout is %v, must be more than nothing", s.ConnectTimeout.Std())
	case s.MaxDatabases < 1 || s.MaxDatabases > 10_000:
		return fmt.Errorf("max_databases is %d, must be from 1 to 10000", s.MaxDatabases)
	case s.MaxTables < 1 || s.MaxTables > 100_000:
		return fmt.Errorf("max_tables is %d, must be from 1 to 100000", s.MaxTables)
	case !s.DiscoverDatabases && len(s.IncludeDatabases)+len(s.ExcludeDatabases) > 0:
		return fmt.Errorf("include_databases and exclude_databases choose of what discover_databases = true finds")
	case s.Statements.Limit < 1 || s.Statements.Limit > 10_000:
		return fmt.Errorf("statements.limit is %d, must be from 1 to 10000", s.Statements.Limit)
	case s.Statements.QueryLength < 1 || s.Statements.QueryLength > 10_000:
		return fmt.Errorf("statements.query_length is %d, must be from 1 to 10000", s.Statements.QueryLength)
	}
	if _, err := s.tls("localhost"); err != nil {
		return err
	}
	return nil
}

// choose returns the collectors the settings ask for, and those of the operator's own queries.
func (s *settings) choose(all []*collector) ([]*collector, error) {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	for _, n := range slices.Concat(s.Collectors, s.ExcludeCollectors) {
		if !slices.Contains(names, n) {
			return nil, fmt.Errorf("unknown collector %q; known are %s", n, strings.Join(names, ", "))
		}
	}
	var run []*collector
	for _, c := range all {
		wanted := !c.off
		if len(s.Collectors) > 0 {
			wanted = slices.Contains(s.Collectors, c.name)
		}
		if wanted && !slices.Contains(s.ExcludeCollectors, c.name) {
			run = append(run, c)
		}
	}
	own, err := s.customCollectors()
	if err != nil {
		return nil, err
	}
	if run = append(run, own...); len(run) == 0 {
		return nil, fmt.Errorf("no collector is left")
	}
	return run, nil
}
