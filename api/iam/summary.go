package iam

import (
	"context"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/store"
)

// GetAccountSummary counts what the account has, and tells how much it may have.
func (s *Service) GetAccountSummary(_ context.Context, c server.Caller, _ *model.GetAccountSummaryInput) (*model.GetAccountSummaryOutput, error) {
	r, most := s.read(c), s.limits
	versions := 0
	for p := range store.Policies.Scan(r.Reader, r.scope) {
		versions += len(p.Versions)
	}
	counted := map[string]int{
		"AccountAccessKeysPresent": 1, "AccountMFAEnabled": 0, "AccountPasswordPresent": 0, "AccountSigningCertificatesPresent": 0,
		"MFADevices": 0, "MFADevicesInUse": 0, "ServerCertificates": 0, "ServerCertificatesQuota": 0, "SigningCertificatesPerUserQuota": 0,
		"Groups": count(r, store.Groups), "GroupsQuota": most.Groups, "GroupsPerUserQuota": most.GroupsPerUser, "GroupPolicySizeQuota": most.GroupPolicyLength,
		"Users": count(r, store.Users), "UsersQuota": most.Users, "UserPolicySizeQuota": most.UserPolicyLength, "AccessKeysPerUserQuota": most.AccessKeysPerUser,
		"Roles": count(r, store.Roles), "RolesQuota": most.Roles, "RolePolicySizeQuota": most.RolePolicyLength,
		"Policies": count(r, store.Policies), "PoliciesQuota": most.Policies, "PolicySizeQuota": most.ManagedPolicyLength,
		"PolicyVersionsInUse": versions, "VersionsPerPolicyQuota": most.PolicyVersions,
		"AttachedPoliciesPerGroupQuota": most.AttachedPolicies, "AttachedPoliciesPerRoleQuota": most.AttachedPolicies, "AttachedPoliciesPerUserQuota": most.AttachedPolicies,
		"InstanceProfiles": count(r, store.InstanceProfiles), "InstanceProfilesQuota": most.InstanceProfiles, "Providers": count(r, store.SAMLProviders),
	}
	summary := make(map[string]int32, len(counted))
	for name, n := range counted {
		summary[name] = int32(n)
	}
	return &model.GetAccountSummaryOutput{SummaryMap: summary}, nil
}
