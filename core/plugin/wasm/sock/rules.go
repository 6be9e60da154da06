package sock

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/hearth-project/hearth/sdk/manifest"
)

// Rules say where an instance may connect to: where an entry of both lists leads, as in manifest.MatchNet, with
// ${target} replaced already.
type Rules struct {
	Asked   []string // by the plugin's manifest
	Granted []string // by the operator
}

// Name checks an address as it was asked for, host:port.
func (r Rules) Name(address string) error {
	if !matches(r.Asked, address) {
		return errors.New("the plugin's manifest does not ask for it")
	}
	if !matches(r.Granted, address) {
		return fmt.Errorf("it is not granted: add %q to net of the plugin's grant", address)
	}
	return nil
}

// Address checks where a name has led: an address and port. What is not for the whole network, as the loopback addresses
// and those where clouds tell machines their credentials, must be granted by itself: a name is no more than what its
// owner's name server says today.
func (r Rules) Address(resolved string) error {
	at, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return err
	}
	kind := special(at.Addr())
	if kind == "" {
		return nil
	}
	plain := netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port()).String()
	for _, entry := range r.Granted {
		host, _, err := net.SplitHostPort(entry)
		if err != nil {
			continue
		}
		if _, err := netip.ParseAddr(host); err == nil && manifest.MatchNet(entry, plain) {
			return nil
		}
		if host == "localhost" && kind == loopback && manifest.MatchNet(entry, net.JoinHostPort(host, fmt.Sprint(at.Port()))) {
			return nil
		}
	}
	return &SpecialError{Address: plain, Kind: kind}
}

// SpecialError is the refusal of an address that a granted name has led to.
type SpecialError struct {
	Address string // IP and port
	Kind    string
}

func (e *SpecialError) Error() string {
	return fmt.Sprintf("%s is a %s address, which a name alone does not open: if it is meant, add %q to net of the plugin's grant", e.Address, e.Kind, e.Address)
}

func matches(entries []string, address string) bool {
	for _, e := range entries {
		if manifest.MatchNet(e, address) {
			return true
		}
	}
	return false
}

const loopback = "loopback"

// metadata are addresses outside of the link-local ones at which clouds serve credentials and settings to machines.
var metadata = [...]netip.Addr{
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("192.0.0.192"),     // Oracle
	netip.MustParseAddr("fd00:ec2::254"),   // Amazon
	netip.MustParseAddr("fd20:ce::254"),    // Google
}

// Prefixes of IPv6 addresses that lead to an IPv4 address.
var (
	compatible = netip.MustParsePrefix("::/96")          // the last four bytes; RFC 4291, out of use
	nat64      = netip.MustParsePrefix("64:ff9b::/96")   // the last four bytes; RFC 6052
	nat64b     = netip.MustParsePrefix("64:ff9b:1::/48") // local use, RFC 8215; refused as a whole
	sixTo4     = netip.MustParsePrefix("2002::/16")      // bytes 2 to 5; RFC 3056
)

// special names the kind of an address that is not for the whole network, or is empty.
func special(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if b := a.As16(); a.Is6() {
		switch {
		case nat64.Contains(a), compatible.Contains(a) && !a.IsLoopback() && !a.IsUnspecified():
			return special(netip.AddrFrom4([4]byte(b[12:16])))
		case sixTo4.Contains(a):
			return special(netip.AddrFrom4([4]byte(b[2:6])))
		case nat64b.Contains(a):
			return "translated"
		}
	}
	switch {
	case a.IsLoopback():
		return loopback
	case a.IsUnspecified(), a.Is4() && a.As4()[0] == 0: // connects to this host
		return loopback
	case a.IsLinkLocalUnicast():
		return "link-local"
	case a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "multicast"
	}
	for _, m := range metadata {
		if a == m {
			return "cloud metadata"
		}
	}
	return ""
}
