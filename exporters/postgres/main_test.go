package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/exporters/postgres/pgtest"
	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/process"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

// secrets is the folder of the granted secrets. The plugin learns it when it starts, so the tests run in a process that
// was told. Beside it lies a cluster that servers are made of.
var secrets = os.Getenv(process.SecretsEnv)

const cluster = "cluster"

func TestMain(m *testing.M) {
	if secrets == "" {
		os.Exit(again())
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// again runs this program once more, with a folder for secrets.
func again() int {
	dir, err := os.MkdirTemp("", "hearth-postgres-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	dirs := filepath.Join(dir, "secrets")
	err = errors.Join(os.Chmod(dir, 0o711), os.Mkdir(dirs, 0o700))
	if err == nil && pgtest.Installed() {
		err = pgtest.Initialize(filepath.Join(dir, cluster))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), process.SecretsEnv+"="+dirs)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func start(t testing.TB) *pgtest.Server {
	t.Helper()
	return pgtest.Start(t, filepath.Join(filepath.Dir(secrets), cluster))
}

// grant gives a secret until the test ends.
func grant(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(secrets, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(file) })
}

type object map[string]any

// plugin is an exporter under test, with the instance that answers for it.
type plugin struct {
	*sdk.Instance
	exporter *exporter
}

func configured(t testing.TB, settings any) *plugin {
	t.Helper()
	p, err := configure(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func configure(settings any) (*plugin, error) {
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	e := &exporter{}
	p := &plugin{sdk.NewInstance(sdk.Plugin{Exporter: e}), e}
	_, err = p.Call(context.Background(), abi.OpConfigure, text)
	return p, err
}

// close ends the connections, as the end of an instance does.
func (p *plugin) close() {
	for _, e := range p.exporter.sessions.kept {
		p.exporter.sessions.drop(e)
	}
}

func (p *plugin) collect(ctx context.Context, address string, within time.Duration) (*sdktest.Exposition, error) {
	req, err := json.Marshal(abi.CollectRequest{Address: address, DeadlineMS: within.Milliseconds()})
	if err != nil {
		return nil, err
	}
	body, err := p.Call(ctx, abi.OpCollect, req)
	if err != nil {
		return nil, err
	}
	return sdktest.ParseExposition(body)
}

// scrape collects, which must succeed.
func (p *plugin) scrape(t testing.TB, s *pgtest.Server) *sdktest.Exposition {
	t.Helper()
	e, err := p.collect(t.Context(), s.Address, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
