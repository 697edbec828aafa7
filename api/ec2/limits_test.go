package ec2

import "testing"

// TestLimitsOfOneAccount: an account's own limits precede those of all, which hold for
// what it has none for.
func TestLimitsOfOneAccount(t *testing.T) {
	t.Parallel()
	account := newCloud(t).account
	others := newCloud(t, func(cfg *Config) {
		cfg.Limits = Limits{VPCs: 2, SubnetsPerVPC: 1}
		cfg.AccountLimits = map[string]Limits{account: {VPCs: 1, ElasticAddresses: 7}}
	})
	own := *others
	own.account = account
	vpc := own.vpc("10.0.0.0/16")
	own.refuse("VpcLimitExceeded", "CreateVpc", "CidrBlock", "10.1.0.0/16")
	own.subnet(vpc, "10.0.1.0/24")
	own.refuse("SubnetLimitExceeded", "CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.2.0/24")
	others.vpc("10.0.0.0/16")
	others.vpc("10.1.0.0/16")
	others.refuse("VpcLimitExceeded", "CreateVpc", "CidrBlock", "10.2.0.0/16")
	for c, want := range map[*cloud]string{&own: "7", others: "5"} {
		for _, attribute := range c.call("DescribeAccountAttributes").all("accountAttributeSet/item") {
			if got := attribute.text("attributeValueSet/item/attributeValue"); attribute.text("attributeName") == "max-elastic-ips" && got != want {
				t.Errorf("max-elastic-ips of %s is %q, want %s", c.account, got, want)
			}
		}
	}
}
