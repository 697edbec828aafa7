// Package publicaccess answers what of the internet's packets an account lets into
// and out of its VPCs, and subnet by subnet: the API shows it, and plan compiles it.
package publicaccess

import (
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Of is the mode that holds in a subnet, or, with "", in a VPC but for subnets with
// exclusions of their own: resource.PublicAccessOpen, PublicAccessOutbound or
// PublicAccessBlocked. Of exclusions of the VPC and of the subnet
// that lets more pass decides: each excepts what it is about.
func Of(r store.Reader, s store.Scope, vpc, subnet string) string {
	options, ok := store.PublicAccessOptions.Get(r, s, resource.PublicAccessOptionsID)
	if !ok || options.Mode == resource.PublicAccessOpen {
		return resource.PublicAccessOpen
	}
	mode := options.Mode
	for exclusion := range store.PublicAccessExclusions.Find(r, s, store.ByVPC, vpc) {
		if exclusion.Subnet == "" || exclusion.Subnet == subnet {
			mode = exclusion.Excluded(mode)
		}
	}
	return mode
}
