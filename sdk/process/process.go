// Package process is the native form of a plugin: a child process that speaks gRPC with its host through
// hashicorp/go-plugin. Both ends are here. There is one method, Call(BytesValue) returns (BytesValue), whose bytes
// carry an operation of the ABI, so that no generated code is needed.
//
// A native plugin is not sandboxed; what its manifest asks for is a statement, not a wall.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hearth-project/hearth/sdk/abi"
)

// Cookie is the environment variable by which a program knows that a host started it, and its value.
const (
	CookieKey   = "HEARTH_PLUGIN"
	CookieValue = "v1"
)

// SecretsEnv names the folder with the plugin's secrets, a file each; the host sets it.
const SecretsEnv = "HEARTH_SECRETS"

// name is the one plugin in a program's set.
const name = "hearth"

// Handshake returns what host and plugin must agree on.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: CookieKey, MagicCookieValue: CookieValue}
}

// Handler answers an operation of the ABI. On failure the bytes are an error body.
type Handler func(ctx context.Context, op string, in []byte) (out []byte, failed bool)

// Started reports whether a host started this program as its plugin.
func Started() bool { return os.Getenv(CookieKey) == CookieValue }

// Serve answers the host until it goes away. Calls reach h one at a time.
func Serve(h Handler) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: Handshake(),
		Plugins:         plugin.PluginSet{name: &form{handler: h}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			const frame = abi.MaxRequest + abi.MaxResult
			return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(frame), grpc.MaxSendMsgSize(frame))...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Error, JSONFormat: true}),
	})
}

// Plugins is the plugin set for the host's plugin.ClientConfig.
func Plugins() plugin.PluginSet { return plugin.PluginSet{name: &form{}} }

// Dispense returns the client of a plugin that the host started with Handshake and Plugins.
func Dispense(c *plugin.Client) (*Client, error) {
	rpc, err := c.Client()
	if err != nil {
		return nil, err
	}
	raw, err := rpc.Dispense(name)
	if err != nil {
		return nil, err
	}
	client, ok := raw.(*Client)
	if !ok {
		return nil, fmt.Errorf("plugin process: speaks %T, want gRPC", raw)
	}
	return client, nil
}

// Client is the host's end.
type Client struct{ conn *grpc.ClientConn }

// Call runs an operation. err is trouble with the process; failed says that out is an error body of the plugin.
func (c *Client) Call(ctx context.Context, op string, in []byte) (out []byte, failed bool, err error) {
	if len(op) > 255 {
		return nil, false, errors.New("plugin process: operation name longer than 255 bytes")
	}
	reply := new(wrapperspb.BytesValue)
	err = c.conn.Invoke(ctx, method, wrapperspb.Bytes(frame(op, in)), reply,
		grpc.MaxCallRecvMsgSize(abi.MaxResult+4096), grpc.MaxCallSendMsgSize(abi.MaxRequest+4096))
	if err != nil {
		return nil, false, err
	}
	if len(reply.Value) == 0 || reply.Value[0] > 1 {
		return nil, false, abi.ErrResult
	}
	return reply.Value[1:], reply.Value[0] == 1, nil
}

// frame is the request on the wire: length of the operation's name in one byte, the name, the input.
func frame(op string, in []byte) []byte {
	b := make([]byte, 0, 1+len(op)+len(in))
	b = append(b, byte(len(op)))
	b = append(b, op...)
	return append(b, in...)
}

func unframe(b []byte) (op string, in []byte, err error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, errors.New("plugin process: torn request")
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], nil
}

const (
	service = "hearth.v1.Plugin"
	method  = "/" + service + "/Call"
)

// form joins both ends to go-plugin.
type form struct {
	plugin.NetRPCUnsupportedPlugin
	handler Handler
	mu      sync.Mutex // one call at a time
}

// GRPCServer is go-plugin's, in the plugin's process.
func (f *form) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: service, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Call", Handler: f.serve}},
	}, f)
	return nil
}

// GRPCClient is go-plugin's, in the host.
func (f *form) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return &Client{conn: c}, nil
}

func (f *form) serve(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(wrapperspb.BytesValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	op, body, err := unframe(in.Value)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out, failed := f.handler(ctx, op, body)
	reply := make([]byte, 1, 1+len(out))
	if failed {
		reply[0] = 1
	}
	return wrapperspb.Bytes(append(reply, out...)), nil
}
