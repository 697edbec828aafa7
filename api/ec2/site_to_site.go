package ec2

import "maps"

// siteToSiteActions are those of Site-to-Site VPN; each noun's file has its part.
func (s *Service) siteToSiteActions() actions {
	all := actions{}
	for _, part := range []actions{} {
		maps.Copy(all, part)
	}
	return all
}
