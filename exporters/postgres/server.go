package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hearth-project/hearth/sdk/metric"
)

func postmasterCollector() *collector {
	return &collector{name: "postmaster", off: true, queries: []query{{
		prefix: "pg_postmaster",
		columns: []column{
			{name: "start_time_seconds", expr: "extract(epoch FROM pg_postmaster_start_time())", use: gauge, help: "Time at which postmaster started"},
		},
	}}}
}

func rolesCollector() *collector {
	return &collector{name: "roles", queries: []query{{
		prefix: "pg_roles",
		columns: []column{
			{name: "rolname", use: label},
			{name: "connection_limit", expr: "rolconnlimit", use: gauge, help: "Connection limit set for the role"},
		},
		from: "FROM pg_roles ORDER BY rolname",
	}}}
}

// buffercacheCollector needs the extension pg_buffercache.
func buffercacheCollector() *collector {
	return &collector{name: "buffercache_summary", off: true, since: 16, queries: []query{{
		prefix: "pg_buffercache_summary",
		columns: []column{
			{name: "buffers_used", use: gauge, help: "Number of used shared buffers"},
			{name: "buffers_unused", use: gauge, help: "Number of unused shared buffers"},
			{name: "buffers_dirty", use: gauge, help: "Number of dirty shared buffers"},
			{name: "buffers_pinned", use: gauge, help: "Number of pinned shared buffers"},
			{name: "usagecount_avg", expr: "coalesce(usagecount_avg, 0)", use: gauge, help: "Average usage count of used shared buffers"},
		},
		from: "FROM pg_buffercache_summary()",
	}}}
}

// staticCollector tells the server's version, which the connection knows.
func staticCollector() *collector {
	return &collector{name: "static", collect: func(_ context.Context, e *session, o *output) error {
		labels, values := []string{"short_version", "version"}, []string{e.short, e.version}
		if o.server != "" {
			labels, values = append(labels, "server"), append(values, o.server)
		}
		f, err := o.family("static", metric.KindUntyped, "pg_static", "Version string as reported by postgres", labels)
		if err != nil {
			return err
		}
		f.Sample(1, values...)
		return nil
	}}
}

// settingsCollector makes a metric of each parameter that is a number or a switch, in seconds or bytes if it has a unit.
// What this exporter has set for its own session counts as it was before.
func settingsCollector() *collector {
	const sql = "SELECT name, CASE source WHEN 'session' THEN reset_val ELSE setting END, coalesce(unit, ''), coalesce(short_desc, ''), vartype FROM pg_settings WHERE vartype IN ('bool', 'integer', 'real') ORDER BY name"
	return &collector{name: "settings", collect: func(ctx context.Context, e *session, o *output) error {
		var labels, values []string
		if o.server != "" {
			labels, values = []string{"server"}, []string{o.server}
		}
		return e.bounded(ctx, sql, func(_ []pgconn.FieldDescription, row [][]byte) error {
			v, unit, ok := parameter(string(row[1]), string(row[2]), string(row[4]))
			if !ok {
				return nil // some managed servers have parameters whose value is not of their type
			}
			name, help := metricName(string(row[0])), string(row[3])
			if unit != "" {
				name += "_" + unit
				help += " [Units converted to " + unit + ".]"
			}
			f, err := o.family("settings", metric.KindGauge, "pg_settings_"+name, help, labels)
			if err == nil {
				err = o.fits(len(name) + 40)
			}
			if err != nil {
				return err
			}
			f.Sample(v, values...)
			return nil
		})
	}}
}

// metricName makes part of a metric's name of the name of a parameter, which may be an extension's: auto_explain.log-level.
func metricName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
}

// parameter reads the value of a parameter. unit is what the value is in: seconds, bytes, or nothing.
func parameter(setting, serverUnit, vartype string) (v float64, unit string, ok bool) {
	if vartype == "bool" {
		return metric.Bool(setting == "on"), "", true
	}
	v, err := strconv.ParseFloat(setting, 64)
	if err != nil {
		return 0, "", false
	}
	factor, unit := 1., ""
	if serverUnit != "" {
		if factor, unit = scale(serverUnit); unit == "" {
			return 0, "", false
		}
	}
	if v == -1 { // off, or as some other parameter
		factor = 1
	}
	return v * factor, unit, true
}

// scale returns what a unit of the server's is in seconds or bytes: ms, kB, 8kB, 16MB.
func scale(unit string) (factor float64, in string) {
	digits := len(unit) - len(strings.TrimLeft(unit, "0123456789"))
	n := 1.
	if digits > 0 {
		n, _ = strconv.ParseFloat(unit[:digits], 64) // digits only
	}
	switch unit[digits:] {
	case "us":
		return n / 1e6, "seconds"
	case "ms":
		return n / 1e3, "seconds"
	case "s":
		return n, "seconds"
	case "min":
		return n * 60, "seconds"
	case "h":
		return n * 3600, "seconds"
	case "d":
		return n * 86400, "seconds"
	case "B":
		return n, "bytes"
	case "kB":
		return n * (1 << 10), "bytes"
	case "MB":
		return n * (1 << 20), "bytes"
	case "GB":
		return n * (1 << 30), "bytes"
	case "TB":
		return n * (1 << 40), "bytes"
	}
	return 0, ""
}
