//go:build !wasip1

package sdk

import (
	"context"
	"net"
)

// Dial connects to an address on TCP. See DialContext.
func Dial(network, address string) (net.Conn, error) {
	return DialContext(context.Background(), network, address)
}

// DialContext connects to an address on TCP. In the sandbox the manifest must ask for the address and the operator
// grant it.
func DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
}
