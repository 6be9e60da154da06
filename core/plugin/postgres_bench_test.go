package plugin

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hearth-project/hearth/exporters/postgres/pgtest"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// debianCollectors are the collectors with the metrics of postgres_exporter 0.11.
var debianCollectors = []string{"database", "stat_database", "stat_database_conflicts", "stat_activity", "locks", "stat_bgwriter", "stat_archiver",
	"replication_slots", "stat_replication", "settings", "static"}

// BenchmarkCollectPostgres is a scrape of a PostgreSQL server, by the exporter in both forms and by Debian's
// prometheus-postgres-exporter, all with the same metrics. cpu-us/op is processor time of the exporter: of this process
// for the module, which runs in it, of the program's or postgres_exporter's process else. The server's is not in it.
func BenchmarkCollectPostgres(b *testing.B) {
	s := pgtest.Start(b, "")
	for i := range 8 {
		s.Exec("postgres", fmt.Sprintf("CREATE DATABASE d%d", i))
	}
	for _, mode := range []string{"disable", "require"} {
		b.Run("sslmode="+mode, func(b *testing.B) { collectPostgres(b, s, mode) })
	}
}

func collectPostgres(b *testing.B, s *pgtest.Server, mode string) {
	inBothForms(b, installPostgres(b), "../../exporters/postgres", "hearth/postgres", func(b *testing.B, w world, of func(Use) Use) {
		c := w.open(of(Use{Config: map[string]any{"collectors": debianCollectors, "server_label": true, "sslmode": mode}, Grant: Grant{Net: []string{manifest.Target, "127.0.0.1:*"}}}))
		measure(b, func() int {
			if of(Use{}).Runtime == manifest.RuntimeNative {
				return w.List()[0].Processes[0].PIDs[0]
			}
			return 0
		}, func() int {
			body, _, err := c.Collect(b.Context(), s.Address)
			if err != nil {
				b.Fatal(err)
			}
			return samples(body)
		})
	})
	b.Run("debian", func(b *testing.B) {
		const program = "/usr/bin/prometheus-postgres-exporter"
		if _, err := os.Stat(program); err != nil {
			b.Skip("prometheus-postgres-exporter is not installed")
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		address := l.Addr().String()
		l.Close()
		cmd := exec.Command(program, "--web.listen-address="+address)
		cmd.Env = append(os.Environ(), "DATA_SOURCE_NAME=postgresql://postgres@"+s.Address+"/postgres?sslmode="+mode)
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		client := &http.Client{Transport: &http.Transport{}}
		b.Cleanup(client.CloseIdleConnections)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if c, err := net.Dial("tcp", address); err == nil {
				c.Close()
				break
			} else if time.Now().After(deadline) {
				b.Fatal(err)
			}
		}
		measure(b, func() int { return cmd.Process.Pid }, func() int {
			res, err := client.Get("http://" + address + "/metrics")
			if err != nil {
				b.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				b.Fatal(err)
			}
			return samples(body)
		})
	})
}

// measure runs scrapes and reports the processor time of one, of the process pid; 0 is this one.
func measure(b *testing.B, pid func() int, scrape func() int) {
	n := 0
	for range 3 { // connected, and grown
		n = scrape()
	}
	before := processorTime(b, pid())
	for b.Loop() {
		scrape()
	}
	b.ReportMetric(float64((processorTime(b, pid())-before).Microseconds())/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(n), "samples")
}

// samples counts the samples of PostgreSQL in an exposition.
func samples(body []byte) int {
	n := 0
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "pg_") {
			n++
		}
	}
	return n
}

// processorTime is what a process has used so far, to a hundredth of a second if it is another than this.
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	if pid == 0 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	var user, system int64
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // from the state on, which is the third
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
