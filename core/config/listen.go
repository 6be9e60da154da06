package config

import (
	"errors"
	"net"
)

// SetListen puts an address from the command line in the place of server.listen, with what follows from it: who may
// reload, and whom the built-in configuration watches.
func (c *Config) SetListen(address string) error {
	old := c.Server
	c.Server.Listen = address
	k := &checker{report: &report{}, cfg: c, places: map[any]Pos{}}
	if c.lifecycleSet {
		k.places[&c.Server.EnableLifecycle] = Pos{}
	}
	k.places[&c.Server.RoutePrefix] = Pos{} // stays as it is
	k.server(&c.Server)
	if len(k.problems) > 0 {
		c.Server = old
		return errors.New(k.problems[0].Message)
	}
	if c.builtIn {
		c.ScrapeConfigs[0].StaticConfigs[0].Targets[0] = selfTarget(address)
	}
	return nil
}

// selfTarget is how a server that listens on address reaches itself.
func selfTarget(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && (ip.IsLoopback() && ip.To4() != nil || ip.IsUnspecified()) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
