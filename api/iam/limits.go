package iam

// Limits are how many an account, or an identity, can have of something. Zero
// values mean the default, which is AWS's (IAM user guide, "IAM and AWS STS
// quotas").
type Limits struct {
	Users               int `yaml:"users"`                 // default 5,000
	Groups              int `yaml:"groups"`                // default 300
	Roles               int `yaml:"roles"`                 // default 1,000
	Policies            int `yaml:"policies"`              // managed ones; default 1,500
	PolicyVersions      int `yaml:"policy_versions"`       // of one managed policy; default 5
	AttachedPolicies    int `yaml:"attached_policies"`     // to one user, group or role; default 10
	GroupsPerUser       int `yaml:"groups_per_user"`       // default 10
	AccessKeysPerUser   int `yaml:"access_keys_per_user"`  // default 2
	SAMLProviders       int `yaml:"saml_providers"`        // default 100
	InstanceProfiles    int `yaml:"instance_profiles"`     // default 1,000
	TrustPolicyLength   int `yaml:"trust_policy_length"`   // characters; default 2,048
	UserPolicyLength    int `yaml:"user_policy_length"`    // characters of all inline policies of a user; default 2,048
	GroupPolicyLength   int `yaml:"group_policy_length"`   // default 5,120
	RolePolicyLength    int `yaml:"role_policy_length"`    // default 10,240
	ManagedPolicyLength int `yaml:"managed_policy_length"` // of one managed policy; default 6,144
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		limit *int
		value int
	}{
		{&l.Users, 5000},
		{&l.Groups, 300},
		{&l.Roles, 1000},
		{&l.Policies, 1500},
		{&l.PolicyVersions, 5},
		{&l.AttachedPolicies, 10},
		{&l.GroupsPerUser, 10},
		{&l.AccessKeysPerUser, 2},
		{&l.SAMLProviders, 100},
		{&l.InstanceProfiles, 1000},
		{&l.TrustPolicyLength, 2048},
		{&l.UserPolicyLength, 2048},
		{&l.GroupPolicyLength, 5120},
		{&l.RolePolicyLength, 10240},
		{&l.ManagedPolicyLength, 6144},
	} {
		if *d.limit == 0 {
			*d.limit = d.value
		}
	}
	return l
}
