package iam_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// metadata are those of an identity provider, with more attributes of the entity.
func metadata(t *testing.T, attributes string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return `<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example/saml" ` + attributes + `>
 <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
  <md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>
` + base64.StdEncoding.EncodeToString(der) + `
  </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
  <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/sso"/>
 </md:IDPSSODescriptor>
</md:EntityDescriptor>` + strings.Repeat("\n", 400)
}

func TestSAMLProvider(t *testing.T) {
	c := newCloud(t)
	document := metadata(t, `validUntil="2030-01-02T03:04:05Z"`)
	arn := c.call("iam:CreateSAMLProvider", "Name", "Idp", "SAMLMetadataDocument", document, "Tags.member.1.Key", "k", "Tags.member.1.Value", "v").text("SAMLProviderArn")
	if arn != "arn:aws:iam::"+c.account+":saml-provider/Idp" {
		t.Fatalf("made %s", arn)
	}
	shown := c.call("iam:GetSAMLProvider", "SAMLProviderArn", arn)
	if got := shown.find("SAMLMetadataDocument"); len(got) != 1 || got[0].Text != document {
		t.Error("the document is not shown as it was given")
	}
	if got := shown.text("ValidUntil"); got != "2030-01-02T03:04:05.000Z" {
		t.Errorf("valid until %s", got)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	c.call("iam:UpdateSAMLProvider", "SAMLProviderArn", arn, "AddPrivateKey", text, "AssertionEncryptionMode", "Required")
	shown = c.call("iam:GetSAMLProvider", "SAMLProviderArn", arn)
	if id := shown.text("KeyId"); id == "" || shown.text("AssertionEncryptionMode") != "Required" {
		t.Errorf("key %q, mode %q", id, shown.text("AssertionEncryptionMode"))
	}
	c.refused(c.root, "InvalidInput", "without a private key", "iam:UpdateSAMLProvider", "SAMLProviderArn", arn, "RemovePrivateKey", shown.text("KeyId"))
	c.call("iam:UpdateSAMLProvider", "SAMLProviderArn", arn, "RemovePrivateKey", shown.text("KeyId"), "AssertionEncryptionMode", "Allowed", "SAMLMetadataDocument", metadata(t, ""))
	c.call("iam:TagSAMLProvider", "SAMLProviderArn", arn, "Tags.member.1.Key", "l", "Tags.member.1.Value", "w")
	c.call("iam:UntagSAMLProvider", "SAMLProviderArn", arn, "TagKeys.member.1", "k")
	if got := c.call("iam:ListSAMLProviderTags", "SAMLProviderArn", arn).texts("Key"); got != "l" {
		t.Errorf("tags %q", got)
	}
	if got := c.call("iam:ListSAMLProviders").texts("Arn"); got != arn {
		t.Errorf("providers %q", got)
	}
	c.call("iam:DeleteSAMLProvider", "SAMLProviderArn", arn)
	for name, change := range map[string]func(string) string{
		"no certificate":       func(s string) string { return strings.ReplaceAll(s, "X509Certificate", "X509Other") },
		"damaged certificate":  func(s string) string { return strings.Replace(s, "MII", "XXX", 1) },
		"no identity provider": func(s string) string { return strings.ReplaceAll(s, "IDPSSODescriptor", "SPSSODescriptor") },
		"no name":              func(s string) string { return strings.Replace(s, "entityID", "other", 1) },
		"not metadata":         func(s string) string { return strings.ReplaceAll(s, "EntityDescriptor", "Entity") },
		"cut off":              func(s string) string { return strings.Replace(s, "</md:EntityDescriptor>", "", 1) },
		"a document type": func(s string) string {
			return strings.Replace(s, "<md:EntityDescriptor", "<!DOCTYPE x [<!ENTITY a \"b\">]><md:EntityDescriptor", 1)
		},
		"two of them": func(s string) string {
			return strings.Replace(s, "</md:EntityDescriptor>", "</md:EntityDescriptor></x>", 1)
		},
	} {
		changed := change(metadata(t, ""))
		if _, code := c.as(c.root, testRegion, "iam:CreateSAMLProvider", "Name", "x", "SAMLMetadataDocument", changed); code != "InvalidInput" {
			t.Errorf("%s: %q", name, code)
		}
	}
}
