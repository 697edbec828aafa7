package acm

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/pki"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func parse(t *testing.T, text any) []*x509.Certificate {
	t.Helper()
	chain, err := pki.ParseChainPEM([]byte(text.(string)))
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// A requested certificate is issued at once, says what was asked for, and leads
// to the root of the account's own authority.
func TestRequestedCertificateIsIssued(t *testing.T) {
	c := newCloud(t, func(cfg *Config) { cfg.URL = "http://gw.example:4599" })
	arn := c.request("Branch.Example.com", object{"SubjectAlternativeNames": []string{"*.branch.example.com", "branch.example.com"}})
	d := c.describe(arn)
	for key, want := range map[string]any{
		"CertificateArn": arn, "Status": "ISSUED", "Type": "PRIVATE", "DomainName": "branch.example.com", "KeyAlgorithm": "EC_prime256v1",
		"CertificateAuthorityArn": c.authority("ecdsa"), "Subject": "CN=branch.example.com", "SignatureAlgorithm": "SHA256WITHECDSA",
		"RenewalEligibility": "INELIGIBLE", "InUseBy": []any{}, "SubjectAlternativeNames": []any{"branch.example.com", "*.branch.example.com"},
		"CreatedAt": float64(c.now.Unix()), "IssuedAt": float64(c.now.Unix()), "NotAfter": float64(c.now.Add(395 * 24 * time.Hour).Unix()),
		"KeyUsages": []any{object{"Name": "DIGITAL_SIGNATURE"}}, "Options": object{"CertificateTransparencyLoggingPreference": "ENABLED", "Export": "ENABLED"},
	} {
		if fmt.Sprint(d[key]) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", key, d[key], want)
		}
	}
	got := c.call("GetCertificate", object{"CertificateArn": arn})
	leaf, chain := parse(t, got["Certificate"]), parse(t, got["CertificateChain"])
	if len(leaf) != 1 || len(chain) != 2 || !pki.IsSelfSigned(chain[1]) {
		t.Fatalf("a leaf of %d and a chain of %d", len(leaf), len(chain))
	}
	trust := pki.Trust{Roots: chain[1:], Intermediates: chain[:1]}
	if _, err := trust.Verify([][]byte{leaf[0].Raw}, c.now); err != nil {
		t.Error(err)
	}
	if !slices.Equal(leaf[0].DNSNames, []string{"branch.example.com", "*.branch.example.com"}) || leaf[0].CRLDistributionPoints[0] != "http://gw.example:4599/pki/"+c.account+"/us-east-1/ecdsa.crl" {
		t.Errorf("names %v, lists %v", leaf[0].DNSNames, leaf[0].CRLDistributionPoints)
	}
	other := newCloudOf(c)
	other.refused("ResourceNotFoundException", "Could not find", "DescribeCertificate", object{"CertificateArn": strings.Replace(arn, c.account, other.account, 1)})
	other.refused("InvalidArnException", "not that of a certificate of this account", "DescribeCertificate", object{"CertificateArn": arn})
}

// newCloudOf is another account of the same API.
func newCloudOf(c *cloud) *cloud {
	other := *c
	other.account = fmt.Sprintf("%012d", accounts.Add(1))
	return &other
}

// Without an authority a certificate is of the type that clients expect, of the
// family of its key, with validations that have succeeded.
func TestCertificateWithoutAnAuthority(t *testing.T) {
	c := newCloud(t)
	arn := c.request("www.example.com", object{"CertificateAuthorityArn": nil, "KeyAlgorithm": "RSA_2048", "ValidationMethod": "DNS"})
	d := c.describe(arn)
	validation := d["DomainValidationOptions"].([]any)[0].(object)
	record := validation["ResourceRecord"].(object)
	if d["Type"] != "AMAZON_ISSUED" || d["Status"] != "ISSUED" || validation["ValidationStatus"] != "SUCCESS" || record["Type"] != "CNAME" || !strings.HasSuffix(record["Name"].(string), ".www.example.com.") {
		t.Errorf("%v", d)
	}
	chain := parse(t, c.call("GetCertificate", object{"CertificateArn": arn})["CertificateChain"])
	for _, authority := range chain {
		if pki.AlgorithmOf(authority.PublicKey) != pki.RSA2048 {
			t.Errorf("%s has another family of keys than the leaf", authority.Subject)
		}
	}
	export := object{"CertificateArn": arn, "Passphrase": base64.StdEncoding.EncodeToString([]byte("passphrase"))}
	c.refused("ValidationException", "cannot be exported", "ExportCertificate", export)
	c.call("UpdateCertificateOptions", object{"CertificateArn": arn, "Options": object{"Export": "ENABLED"}})
	c.call("ExportCertificate", export)
}

func TestIdempotencyToken(t *testing.T) {
	c := newCloud(t)
	token := object{"IdempotencyToken": "token1"}
	first := c.request("a.example.com", token)
	if again := c.request("a.example.com", token); again != first {
		t.Errorf("a repeated request made %s", again)
	}
	c.refused("InvalidParameterException", "for another request", "RequestCertificate", object{"DomainName": "b.example.com", "IdempotencyToken": "token1"})
	c.now = c.now.Add(61 * time.Minute)
	if later := c.request("a.example.com", token); later == first {
		t.Error("a token counts for more than an hour")
	}
}

func TestRefusals(t *testing.T) {
	c := newCloud(t, func(cfg *Config) { cfg.CertificatesMax = 2 })
	arn := c.request("a.example.com")
	missing := "arn:aws:acm:us-east-1:" + c.account + ":certificate/01234567-89ab-4cde-8f01-23456789abcd"
	ecdsa := object{"DomainName": "a.example.com", "CertificateAuthorityArn": "arn:aws:acm-pca:us-east-1:" + c.account + ":certificate-authority/other"}
	for _, r := range []struct {
		code, words, action string
		input               object
	}{
		{"ValidationException", "", "RequestCertificate", object{}},
		{"ValidationException", "not a domain name", "RequestCertificate", object{"DomainName": "localhost"}},
		{"ValidationException", "not a domain name", "RequestCertificate", object{"DomainName": "a..example.com"}},
		{"ValidationException", "not a domain name", "RequestCertificate", object{"DomainName": "ok.example.com", "SubjectAlternativeNames": []string{"a\nb.example.com"}}},
		{"InvalidParameterException", "RSA_1024", "RequestCertificate", object{"DomainName": "a.example.com", "KeyAlgorithm": "RSA_1024"}},
		{"ValidationException", "", "RequestCertificate", object{"DomainName": "a.example.com", "KeyAlgorithm": "DSA"}},
		{"InvalidArnException", "certificate-authority/ecdsa and", "RequestCertificate", ecdsa},
		{"InvalidArnException", "", "DescribeCertificate", object{"CertificateArn": "arn:aws:acm:us-east-1:1:certificate/x"}},
		{"InvalidArnException", "", "DescribeCertificate", object{"CertificateArn": arn + "/more"}},
		{"ResourceNotFoundException", "Could not find certificate " + missing, "DescribeCertificate", object{"CertificateArn": missing}},
		{"ResourceNotFoundException", "", "DeleteCertificate", object{"CertificateArn": missing}},
		{"ValidationException", "", "ExportCertificate", object{"CertificateArn": arn, "Passphrase": "YQ=="}}, // one byte
		{"ValidationException", "neither in use nor exported", "RenewCertificate", object{"CertificateArn": arn}},
		{"ValidationException", "on hold", "RevokeCertificate", object{"CertificateArn": arn, "RevocationReason": "CERTIFICATE_HOLD"}},
		{"InvalidTagException", "aws:", "AddTagsToCertificate", object{"CertificateArn": arn, "Tags": []object{{"Key": "aws:x", "Value": "y"}}}},
		{"InvalidArgsException", "go together", "ListCertificates", object{"SortBy": "CREATED_AT"}},
		{"InvalidArgsException", "NextToken", "ListCertificates", object{"NextToken": "!"}},
	} {
		c.refused(r.code, r.words, r.action, r.input)
	}
	c.request("b.example.com")
	c.refused("LimitExceededException", "more than 2", "RequestCertificate", object{"DomainName": "c.example.com", "KeyAlgorithm": "EC_prime256v1"})
}

// foreign is a certificate of somebody else's authority, in PEM.
type foreign struct{ certificate, key, chain string }

func newForeign(t *testing.T, a pki.KeyAlgorithm, now time.Time) foreign {
	t.Helper()
	root, err := pki.NewRoot(pki.Name("somebody's root"), pki.ECDSAP256, now)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := root.NewSubordinate(pki.Name("somebody's issuer"), pki.ECDSAP256, now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.GenerateKey(a)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := issuer.Issue(pki.Request{Subject: pki.Name("vpn.example.net"), DNSNames: []string{"vpn.example.net"}, Key: key.Public(), Lifetime: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := pki.KeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	return foreign{pki.EncodePEM(leaf.Raw), text, pki.EncodePEM(root.Certificate.Raw, issuer.Certificate.Raw)} // the wrong way round
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestImport(t *testing.T) {
	c := newCloud(t)
	one, two, rsa := newForeign(t, pki.ECDSAP256, c.now), newForeign(t, pki.ECDSAP256, c.now), newForeign(t, pki.RSA2048, c.now)
	input := func(f foreign, more ...string) object {
		o := object{"Certificate": b64(f.certificate), "PrivateKey": b64(f.key), "CertificateChain": b64(f.chain)}
		for i := 0; i < len(more); i += 2 {
			if o[more[i]] = more[i+1]; more[i+1] == "" {
				delete(o, more[i])
			}
		}
		return o
	}
	arn := c.call("ImportCertificate", input(one))["CertificateArn"].(string)
	d := c.describe(arn)
	if d["Type"] != "IMPORTED" || d["Status"] != "ISSUED" || d["DomainName"] != "vpn.example.net" || d["ImportedAt"] != float64(c.now.Unix()) || d["IssuedAt"] != nil || d["Issuer"] != "somebody's issuer" || d["Options"] != nil {
		t.Errorf("%v", d)
	}
	got := c.call("GetCertificate", object{"CertificateArn": arn})
	if chain := parse(t, got["CertificateChain"]); got["Certificate"] != one.certificate || len(chain) != 2 || !pki.IsSelfSigned(chain[1]) {
		t.Error("what was imported is not what is there, in its order")
	}
	for _, r := range []struct {
		code, words string
		input       object
	}{
		{"ValidationException", "does not belong", input(one, "PrivateKey", b64(two.key))},
		{"ValidationException", "not a valid self signed", input(one, "CertificateChain", "")},
		{"ValidationException", "Could not validate the certificate with the certificate chain", input(one, "CertificateChain", b64(two.chain))},
		{"ValidationException", "more than one certificate", input(one, "Certificate", b64(one.certificate+two.certificate))},
		{"ValidationException", "PEM form", input(one, "Certificate", b64("hello"))},
		{"ValidationException", "not supported", input(one, "PrivateKey", b64("hello"))},
		{"SerializationException", "base64", input(one, "PrivateKey", "not base64!")},
		{"ValidationException", "must have one too", input(rsa, "CertificateArn", arn)},
		{"ValidationException", "was not imported", input(one, "CertificateArn", c.request("own.example.com"))},
	} {
		c.refused(r.code, r.words, "ImportCertificate", r.input)
	}
	if again := c.call("ImportCertificate", input(two, "CertificateArn", arn))["CertificateArn"]; again != arn {
		t.Errorf("importing in place made %v", again)
	}
	if got := c.call("GetCertificate", object{"CertificateArn": arn})["Certificate"]; got != two.certificate {
		t.Error("importing in place changed nothing")
	}
	c.refused("ValidationException", "was imported", "ExportCertificate", object{"CertificateArn": arn, "Passphrase": b64("passphrase")})
	c.refused("ValidationException", "was imported", "RevokeCertificate", object{"CertificateArn": arn, "RevocationReason": "UNSPECIFIED"})
	c.now = c.now.Add(2 * time.Hour)
	if d := c.describe(arn); d["Status"] != "EXPIRED" {
		t.Errorf("after its end it is %v", d["Status"])
	}
	c.refused("ValidationException", "which is not now", "ImportCertificate", input(one))
}

// The store keeps keys sealed; what is exported opens with the passphrase, is
// renewed with a new key, and the one before is revoked with it.
func TestExportRenewRevoke(t *testing.T) {
	c := newCloud(t)
	arn := c.request("branch.example.com")
	name := object{"CertificateArn": arn}
	exported := c.call("ExportCertificate", object{"CertificateArn": arn, "Passphrase": b64("correct horse")})
	if !strings.HasPrefix(exported["PrivateKey"].(string), "-----BEGIN ENCRYPTED PRIVATE KEY-----\n") || len(parse(t, exported["CertificateChain"])) != 2 {
		t.Errorf("exported: %v", exported)
	}
	if d := c.describe(arn); d["RenewalEligibility"] != "ELIGIBLE" {
		t.Errorf("after an export: %v", d["RenewalEligibility"])
	}
	first := parse(t, exported["Certificate"])[0]
	c.call("RenewCertificate", name)
	second := parse(t, c.call("GetCertificate", name)["Certificate"])[0]
	if bytes.Equal(first.RawSubjectPublicKeyInfo, second.RawSubjectPublicKeyInfo) || first.Subject.String() != second.Subject.String() || first.SerialNumber.Cmp(second.SerialNumber) == 0 {
		t.Error("the renewed certificate has not the same name and another key")
	}
	if s := c.describe(arn)["RenewalSummary"].(object); s["RenewalStatus"] != "SUCCESS" {
		t.Errorf("the renewal: %v", s)
	}
	third := c.request("other.example.com")
	c.call("RevokeCertificate", object{"CertificateArn": arn, "RevocationReason": "KEY_COMPROMISE"})
	c.call("RevokeCertificate", object{"CertificateArn": arn, "RevocationReason": "SUPERSEDED"}) // changes nothing
	if d := c.describe(arn); d["Status"] != "REVOKED" || d["RevocationReason"] != "KEY_COMPROMISE" || d["RevokedAt"] != float64(c.now.Unix()) {
		t.Errorf("revoked: %v", d)
	}
	authority, ok := store.CertificateAuthorities.Get(testStore.Snapshot(), c.scope(), resource.AuthorityECDSA)
	if !ok {
		t.Fatal("there is no authority")
	}
	list, err := pki.ParseCRL(authority.CRL)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := pki.ParseCertificate(authority.Issuer.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	stays := parse(t, c.call("GetCertificate", object{"CertificateArn": third})["Certificate"])[0]
	for _, revoked := range []*x509.Certificate{first, second} {
		if r, ok := list.Lookup(revoked); !ok || r.Reason != pki.KeyCompromise || !list.Covers(revoked, issuer) {
			t.Errorf("%v is on the list: %v, %v", revoked.SerialNumber, ok, r.Reason)
		}
	}
	if _, ok := list.Lookup(stays); ok {
		t.Error("another certificate is on the list")
	}
	c.refused("InvalidStateException", "is revoked", "ExportCertificate", object{"CertificateArn": arn, "Passphrase": b64("correct horse")})
	c.refused("ValidationException", "not eligible", "RenewCertificate", name)
}

func TestUseTagsAndDeletion(t *testing.T) {
	c := newCloud(t)
	arn := c.request("branch.example.com", object{"Tags": []object{{"Key": "b", "Value": "2"}, {"Key": "a"}}})
	name := object{"CertificateArn": arn}
	tags := func() string { return fmt.Sprint(c.call("ListTagsForCertificate", name)["Tags"]) }
	if got := tags(); got != "[map[Key:a Value:] map[Key:b Value:2]]" {
		t.Errorf("tags: %s", got)
	}
	c.call("AddTagsToCertificate", object{"CertificateArn": arn, "Tags": []object{{"Key": "a", "Value": "1"}, {"Key": "c", "Value": "3"}}})
	c.call("RemoveTagsFromCertificate", object{"CertificateArn": arn, "Tags": []object{{"Key": "b"}, {"Key": "c", "Value": "another"}}})
	if got := tags(); got != "[map[Key:a Value:1] map[Key:c Value:3]]" {
		t.Errorf("tags: %s", got)
	}
	id, _ := resource.ParseCertificateARN(arn, c.account, testRegion)
	gateway := resource.CustomerGateway{Meta: resource.Meta{ID: "cgw-1", Account: c.account, Region: testRegion}, Certificate: id}
	put := func() {
		t.Helper()
		if err := testStore.Update(t.Context(), func(tx *store.Tx) error { store.CustomerGateways.Put(tx, gateway); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	put()
	used := "arn:aws:ec2:us-east-1:" + c.account + ":customer-gateway/cgw-1"
	if d := c.describe(arn); fmt.Sprint(d["InUseBy"]) != "["+used+"]" || d["RenewalEligibility"] != "ELIGIBLE" {
		t.Errorf("in use by %v, %v", d["InUseBy"], d["RenewalEligibility"])
	}
	c.refused("ResourceInUseException", used, "DeleteCertificate", name)
	gateway.Deleted = &c.now
	put()
	c.call("DeleteCertificate", name)
	c.refused("ResourceNotFoundException", "", "DescribeCertificate", name)
}

func TestListCertificates(t *testing.T) {
	c := newCloud(t)
	var ecdsa []string
	for i := range 5 {
		c.now = c.now.Add(time.Second)
		ecdsa = append(ecdsa, c.request(fmt.Sprintf("%d.example.com", i)))
	}
	rsa := c.request("rsa.example.com", object{"KeyAlgorithm": "RSA_2048", "CertificateAuthorityArn": nil})
	list := func(input object) (arns []string) {
		for page := 0; ; page++ {
			answer := c.call("ListCertificates", input)
			for _, s := range answer["CertificateSummaryList"].([]any) {
				arns = append(arns, s.(object)["CertificateArn"].(string))
			}
			token := answer["NextToken"]
			if token == nil || page > 10 {
				return arns
			}
			input["NextToken"] = token
		}
	}
	reversed := slices.Clone(ecdsa)
	slices.Reverse(reversed)
	kinds := object{"keyTypes": []string{"EC_prime256v1"}}
	for _, l := range []struct {
		input object
		want  []string
	}{
		{object{}, []string{rsa}}, // AWS's default leaves other kinds of keys out
		{object{"Includes": kinds}, ecdsa},
		{object{"Includes": kinds, "MaxItems": 2}, ecdsa},
		{object{"Includes": kinds, "MaxItems": 2, "SortBy": "CREATED_AT", "SortOrder": "DESCENDING"}, reversed},
		{object{"Includes": kinds, "CertificateStatuses": []string{"EXPIRED"}}, nil},
		{object{"Includes": object{"exportOption": "DISABLED"}}, []string{rsa}},
		{object{"Includes": object{"extendedKeyUsage": []string{"CODE_SIGNING"}}}, nil},
		{object{"Includes": object{"keyUsage": []string{"DIGITAL_SIGNATURE"}}}, []string{rsa}},
	} {
		if got := list(l.input); !slices.Equal(got, l.want) {
			t.Errorf("%v: %v, want %v", l.input, got, l.want)
		}
	}
}
