package serve

import (
	"fmt"
	"net/netip"
)

// ResolverConfig says whom the resolvers of VPCs ask.
type ResolverConfig struct {
	// Forwarders are DNS servers, ADDRESS or ADDRESS:PORT, asked one after the
	// other, from the underlay, for names that are not of a VPC's hosts. Default
	// none: such questions are refused. Never taken from the host.
	Forwarders []string `yaml:"forwarders"`
}

const (
	dnsPort       = 53
	forwardersMax = 4 // nobody waits for more of them
)

// parseForwarder reads ADDRESS or ADDRESS:PORT.
func parseForwarder(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a, dnsPort), nil
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil || at.Port() == 0 {
		return at, fmt.Errorf("resolver: forwarder %q is not ADDRESS or ADDRESS:PORT", text)
	}
	return at, nil
}

func (c ResolverConfig) validate() error {
	if len(c.Forwarders) > forwardersMax {
		return fmt.Errorf("resolver: there are %d forwarders, and at most %d are asked", len(c.Forwarders), forwardersMax)
	}
	for _, text := range c.Forwarders {
		if _, err := parseForwarder(text); err != nil {
			return err
		}
	}
	return nil
}

// forwarders are those of a configuration that has been validated.
func (c ResolverConfig) forwarders() []netip.AddrPort {
	var all []netip.AddrPort
	for _, text := range c.Forwarders {
		if at, err := parseForwarder(text); err == nil {
			all = append(all, at)
		}
	}
	return all
}
