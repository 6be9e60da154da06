package api

import (
	"net"
	"net/url"
)

// globalURL returns the URL of a target as users elsewhere can open it: a target on this machine is reached by the
// host of the external URL, not by a loopback address, and this server itself by that URL. Where there is none, or
// what is scraped is no URL, it stays.
func (h *handler) globalURL(target string) string {
	if h.ExternalURL == nil {
		return target
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return target
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return target
	}
	port := u.Port()
	if _, own, err := net.SplitHostPort(h.Listen); err == nil && port == own {
		u.Scheme, u.Host = h.ExternalURL.Scheme, h.ExternalURL.Host
		return u.String()
	}
	u.Host = h.ExternalURL.Hostname()
	if port != "" {
		u.Host = net.JoinHostPort(u.Host, port)
	}
	return u.String()
}
