package plugin

import (
	"context"

	"github.com/hearth-project/hearth/core/plugin/guest"
)

// Raw makes a call with a request as it is, be it right or wrong, for tools that hold a plugin to the contract. The
// target is whose address ${target} stands for in the grant. ctx should have a deadline. Errors are *CallError.
func (c *Client) Raw(ctx context.Context, op, target string, request []byte) ([]byte, guest.Usage, error) {
	out, usage, err := c.form.Call(ctx, guest.Request{Operation: op, Target: target, Body: func() ([]byte, error) { return request, nil }})
	if err != nil {
		return nil, usage, c.callError(op, err)
	}
	return out, usage, nil
}
