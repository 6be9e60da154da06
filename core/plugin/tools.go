package plugin

import (
	"context"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// Raw makes a call with a request as it is, be it right or wrong, for tools that hold a plugin to the contract. The
// target is whose address ${target} stands for in the grant. ctx should have a deadline. Errors are *CallError.
func (c *Client) Raw(ctx context.Context, op, target string, request []byte) ([]byte, guest.Usage, error) {
	out, usage, err := c.exchange(ctx, guest.Request{Operation: op, Target: target, Body: func() ([]byte, error) { return request, nil }})
	if err != nil {
		return nil, usage, c.callError(op, err)
	}
	return out, usage, nil
}

// Artifact chooses the build of a plugin that this machine runs: of a runtime, or if that is empty the module if there is
// one.
func Artifact(m *manifest.Manifest, runtime string) (*manifest.Artifact, error) {
	return artifact(m, runtime)
}
