package iam

import (
	"testing"
	"time"
)

// FuzzReadMetadata: no document of a caller's makes it fail otherwise than by its error.
func FuzzReadMetadata(f *testing.F) {
	f.Add(`<m:EntityDescriptor xmlns:m="urn:oasis:names:tc:SAML:2.0:metadata" entityID="a" validUntil="2030-01-01T00:00:00Z"><m:IDPSSODescriptor>` +
		`<X509Certificate xmlns="http://www.w3.org/2000/09/xmldsig#">AAAA</X509Certificate></m:IDPSSODescriptor></m:EntityDescriptor>`)
	f.Add(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="a"></EntityDescriptor></x>`)
	f.Add(`<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>`)
	f.Fuzz(func(t *testing.T, document string) {
		until, err := readMetadata(document)
		if err == nil && !until.IsZero() && until.Location() != time.UTC {
			t.Errorf("valid until %v", until)
		}
	})
}
