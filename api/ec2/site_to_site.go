package ec2

import (
	"maps"
	"time"
)

// siteToSiteActions are those of Site-to-Site VPN; each noun's file has its part.
func (s *Service) siteToSiteActions() actions {
	all := actions{}
	for _, part := range []actions{
		s.customerGatewayActions(),
		s.vpnGatewayActions(),
		s.vpnConnectionActions(),
		s.vpnConnectionRouteActions(),
		s.vpnTunnelOptionsActions(),
		s.vpnTunnelCertificateActions(),
		s.vpnTunnelReplacementActions(),
		s.routePropagationActions(),
		s.deviceConfigurationActions(),
	} {
		maps.Copy(all, part)
	}
	return all
}

// live returns the record with an id, unless it was deleted: to those who want
// to use it, what is only still shown does not exist.
func (n *noun[T]) live(r reader, id string) (T, error) {
	v, err := n.get(r, id)
	if err == nil && isDeleted(&v) {
		err = n.missing(id)
	}
	return v, err
}

func isDeleted[T any](v *T) bool { return metaOf(v).Deleted != nil }

// isLive is the opposite of isDeleted.
func isLive[T any](v *T) bool { return !isDeleted(v) }

// deletedNow is the time of a deletion, as Meta keeps it.
func (r reader) deletedNow() *time.Time { return new(r.now.UTC().Truncate(time.Millisecond)) }
