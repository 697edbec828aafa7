package resource

import (
	"net/netip"
	"strings"
	"testing"
)

// FuzzTexts: texts of callers become what is valid, and that reads back as itself.
func FuzzTexts(f *testing.F) {
	for _, text := range []string{
		"10.0.0.0/16", "10.0.0.1", "2001:db8::/56", "::ffff:10.0.0.0/104", "fe80::1%eth0", "tcp", "-1", "58", "file:office.key", "vault:vpn/office#psk",
		"s2svpn!vpn-0123456789abcdef0", "arn:aws:logs:us-east-1:123456789012:log-group:/vpn/office:*", "arn:aws:iam::123456789012:policy/path/name",
		"arn:aws:acm:us-east-1:123456789012:certificate/0f8b", "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/ecdsa",
	} {
		f.Add(text)
	}
	const account, region = "123456789012", "us-east-1"
	f.Fuzz(func(t *testing.T, text string) {
		for name, parse := range map[string]func(string) (netip.Prefix, error){
			"IPv4": func(s string) (netip.Prefix, error) { return ParseIPv4CIDR("p", s) },
			"IPv6": func(s string) (netip.Prefix, error) { return ParseIPv6CIDR("p", s) },
			"rule": func(s string) (netip.Prefix, error) { return ParseRuleRange(s, false) },
			"rule of IPv6": func(s string) (netip.Prefix, error) {
				return ParseRuleRange(s, true)
			},
			"static route": ParseStaticRoute,
			"entry": func(s string) (netip.Prefix, error) {
				e, err := ParsePrefixListEntry(s, "", PrefixListIPv4)
				return e.CIDR, err
			},
		} {
			p, err := parse(text)
			if err != nil {
				continue
			}
			if again, err := parse(p.String()); err != nil || again != p || p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "" {
				t.Errorf("%s: %q is %v, and that %v, %v", name, text, p, again, err)
			}
		}
		if protocol, err := ParseProtocol(text); err == nil {
			if again, err := ParseProtocol(protocol); err != nil || again != protocol {
				t.Errorf("protocol %q is %q, and that %q, %v", text, protocol, again, err)
			}
		}
		if number, err := ParseNetworkACLProtocol(text); err == nil && (number < -1 || number > 255) {
			t.Errorf("protocol %q is %d", text, number)
		}
		if region, account, name, ok := ParseLogGroupARN(text); ok && (region == "" || account == "" || name == "") {
			t.Errorf("log group %q is %q, %q, %q", text, region, account, name)
		}
		if account, path, name, ok := ParsePolicyARN(text); ok && (account == "" || name == "" || path[0] != '/') {
			t.Errorf("policy %q is %q, %q, %q", text, account, path, name)
		}
		if id, ok := ParseCertificateARN(text, account, region); ok && CertificateARN(account, region, id) != text {
			t.Errorf("certificate %q is %q", text, id)
		}
		if id, ok := ParseAuthorityARN(text, account, region); ok && id == "" {
			t.Errorf("authority %q has no id", text)
		}
		if connection, ok := ParseKeySecretID(text, account, region); ok && !strings.Contains(text, connection) {
			t.Errorf("secret %q is of %q", text, connection)
		}
	})
}
