package manifest

import (
	"errors"
	"net"
	"strconv"
	"strings"
)

// Target stands in capabilities and grants for the address of the call at hand.
const Target = "${target}"

// MatchNet reports whether an entry of net, in a manifest or a grant, covers the address host:port. An entry is
//
//   - any address
//     HOST:PORT        HOST is a name, an IP address ([v6] in brackets), * or *.suffix; PORT is a number or *
//     ${target}        never matches here: replace it by the address of the call before
//
// Names are compared without regard to case and without resolving them; *.suffix covers names below suffix, not
// suffix itself.
func MatchNet(entry, address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return false
	}
	if entry == "*" {
		return true
	}
	h, p, err := net.SplitHostPort(entry)
	if err != nil || (p != "*" && p != port) {
		return false
	}
	h, host = strings.ToLower(h), strings.ToLower(strings.TrimSuffix(host, "."))
	if suffix, ok := strings.CutPrefix(h, "*."); ok {
		return len(host) > len(suffix)+1 && strings.HasSuffix(host, "."+suffix)
	}
	if a, b := net.ParseIP(h), net.ParseIP(host); a != nil && b != nil {
		return a.Equal(b)
	}
	return h == "*" || h == host
}

func checkNet(s string) error {
	if s == "*" || s == Target {
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.Contains(strings.TrimPrefix(host, "*"), "*") ||
		(len(host) > 1 && host[0] == '*' && host[1] != '.') {
		return errors.New("must be host:port, *:port, *.suffix:port, host:*, * or ${target}")
	}
	if n, err := strconv.Atoi(port); port != "*" && (err != nil || n < 1 || n > 65535) {
		return errors.New("must end in a port from 1 to 65535, or *")
	}
	return nil
}
