package wasm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/sys"

	"github.com/hearth-project/hearth/sdk/abi"
)

// exitRetry is the exit code of a command whose error is worth another attempt: sysexits' EX_TEMPFAIL.
const exitRetry = 75

// runCommand runs a module of level 0: a fresh guest reads the request and prints the result.
func (i *instance) runCommand(ctx context.Context, r Request) ([]byte, error) {
	in, err := commandInput(r, i.pool.settings)
	if err != nil {
		return nil, err
	}
	out := &limitedBuffer{limit: abi.MaxResult}
	gctx := i.context(ctx)
	err = i.instantiate(gctx, func(c wazero.ModuleConfig) wazero.ModuleConfig {
		return c.WithArgs("plugin", r.Operation).WithStdin(bytes.NewReader(in)).WithStdout(printed{i, out})
	})
	if err != nil {
		return nil, err
	}
	i.meter.Start(i.pool.module.e.o.Fuel)
	_, err = i.module.ExportedFunction("_start").Call(gctx)
	i.fuel += i.meter.Used()
	code := uint32(0)
	if err != nil {
		var exit *sys.ExitError
		fault := i.faultOf(ctx, r.Operation, err)
		if !errors.As(err, &exit) || fault.Kind != Exit {
			return nil, fault
		}
		code = exit.ExitCode()
	}
	if out.over {
		return nil, &Fault{Operation: r.Operation, Kind: Malformed, Message: fmt.Sprintf("it printed more than %d bytes", abi.MaxResult)}
	}
	if code == 0 {
		return out.Bytes(), nil
	}
	message := i.log.lastWords()
	if message == "" {
		message = fmt.Sprintf("exit code %d, and nothing on standard error that says why", code)
	}
	f := abi.Failure{Code: abi.CodeInternal, Message: message}
	if code == exitRetry {
		f.Code, f.Retryable = abi.CodeUnavailable, true
	}
	return nil, &GuestError{Operation: r.Operation, Failure: f, Refused: i.refused}
}

// commandInput adds the settings to the request.
func commandInput(r Request, settings []byte) ([]byte, error) {
	body, err := r.Bytes()
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &fields); err != nil {
			return nil, err
		}
	}
	if len(settings) > 0 {
		fields["config"] = settings
	}
	return json.Marshal(fields)
}

var errTooMuch = errors.New("too much output")

// limitedBuffer keeps the first bytes that are written, and refuses more.
type limitedBuffer struct {
	bytes.Buffer
	limit int
	over  bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := b.limit - b.Len(); len(p) > room {
		b.over = true
		b.Buffer.Write(p[:room])
		return room, errTooMuch
	}
	return b.Buffer.Write(p)
}
