package sdk

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// Paginators of what belongs to an identity of IAM: three of each, on pages of two.
func (i *installation) testIdentityPaginators(t *testing.T) {
	ctx, name, size := t.Context(), aws.String("owner"), aws.Int32(2)
	document := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}]}`)
	wants := func(what string, pages [][]string, things int) {
		t.Helper()
		wantsPages(t, what, pages, int(*size), things)
	}
	must(i.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name}))(t)
	must(i.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: name}))(t)
	i.createProfile(t, *name)
	must(i.iam.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: aws.String("paged")}))(t)
	for range 2 { // there cannot be more
		must(i.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name}))(t)
	}
	var policies []string
	var tags []iamtypes.Tag
	for n := range 3 {
		one := aws.String(fmt.Sprint("owned-", n))
		policy := must(i.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: one, PolicyDocument: document}))(t).Policy.Arn
		policies = append(policies, *policy)
		tags = append(tags, iamtypes.Tag{Key: one, Value: one})
		must(i.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: policy}))(t)
		must(i.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: policy}))(t)
		must(i.iam.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: name, PolicyArn: policy}))(t)
		must(i.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: one, PolicyDocument: document}))(t)
		must(i.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: name, PolicyName: one, PolicyDocument: document}))(t)
		must(i.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: one, Path: aws.String("/owned/")}))(t)
		must(i.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: one, RoleName: name}))(t)
	}
	policy := &policies[0]
	for range 2 {
		must(i.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: policy, PolicyDocument: document}))(t)
	}
	must(i.iam.TagUser(ctx, &iam.TagUserInput{UserName: name, Tags: tags}))(t)
	must(i.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags}))(t)
	must(i.iam.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: policy, Tags: tags}))(t)
	must(i.iam.TagInstanceProfile(ctx, &iam.TagInstanceProfileInput{InstanceProfileName: name, Tags: tags}))(t)

	attached := func(all []iamtypes.AttachedPolicy) []string {
		return texts(all, func(v *iamtypes.AttachedPolicy) *string { return v.PolicyArn })
	}
	tagged := func(all []iamtypes.Tag) []string {
		return texts(all, func(v *iamtypes.Tag) *string { return v.Key })
	}
	profiles := func(all []iamtypes.InstanceProfile) []string {
		return texts(all, func(v *iamtypes.InstanceProfile) *string { return v.Arn })
	}
	wantsPages(t, "access keys", collect(t, iam.NewListAccessKeysPaginator(i.iam, &iam.ListAccessKeysInput{UserName: name, MaxItems: aws.Int32(1)}), func(o *iam.ListAccessKeysOutput) []string {
		return texts(o.AccessKeyMetadata, func(v *iamtypes.AccessKeyMetadata) *string { return v.AccessKeyId })
	}), 1, 2)
	wants("aliases", collect(t, iam.NewListAccountAliasesPaginator(i.iam, &iam.ListAccountAliasesInput{MaxItems: size}), func(o *iam.ListAccountAliasesOutput) []string { return o.AccountAliases }), 1)
	wants("policies of a user", collect(t, iam.NewListAttachedUserPoliciesPaginator(i.iam, &iam.ListAttachedUserPoliciesInput{UserName: name, MaxItems: size}), func(o *iam.ListAttachedUserPoliciesOutput) []string { return attached(o.AttachedPolicies) }), 3)
	wants("policies of a role", collect(t, iam.NewListAttachedRolePoliciesPaginator(i.iam, &iam.ListAttachedRolePoliciesInput{RoleName: name, MaxItems: size}), func(o *iam.ListAttachedRolePoliciesOutput) []string { return attached(o.AttachedPolicies) }), 3)
	wants("policies of a group", collect(t, iam.NewListAttachedGroupPoliciesPaginator(i.iam, &iam.ListAttachedGroupPoliciesInput{GroupName: name, MaxItems: size}), func(o *iam.ListAttachedGroupPoliciesOutput) []string { return attached(o.AttachedPolicies) }), 3)
	wants("inline policies of a role", collect(t, iam.NewListRolePoliciesPaginator(i.iam, &iam.ListRolePoliciesInput{RoleName: name, MaxItems: size}), func(o *iam.ListRolePoliciesOutput) []string { return o.PolicyNames }), 3)
	wants("inline policies of a group", collect(t, iam.NewListGroupPoliciesPaginator(i.iam, &iam.ListGroupPoliciesInput{GroupName: name, MaxItems: size}), func(o *iam.ListGroupPoliciesOutput) []string { return o.PolicyNames }), 3)
	wants("who has a policy", collect(t, iam.NewListEntitiesForPolicyPaginator(i.iam, &iam.ListEntitiesForPolicyInput{PolicyArn: policy, MaxItems: size}), func(o *iam.ListEntitiesForPolicyOutput) (ids []string) {
		ids = append(ids, texts(o.PolicyUsers, func(v *iamtypes.PolicyUser) *string { return v.UserId })...)
		ids = append(ids, texts(o.PolicyRoles, func(v *iamtypes.PolicyRole) *string { return v.RoleId })...)
		return append(ids, texts(o.PolicyGroups, func(v *iamtypes.PolicyGroup) *string { return v.GroupId })...)
	}), 3)
	wants("versions of a policy", collect(t, iam.NewListPolicyVersionsPaginator(i.iam, &iam.ListPolicyVersionsInput{PolicyArn: policy, MaxItems: size}), func(o *iam.ListPolicyVersionsOutput) []string {
		return texts(o.Versions, func(v *iamtypes.PolicyVersion) *string { return v.VersionId })
	}), 3)
	wants("instance profiles", collect(t, iam.NewListInstanceProfilesPaginator(i.iam, &iam.ListInstanceProfilesInput{PathPrefix: aws.String("/owned/"), MaxItems: size}), func(o *iam.ListInstanceProfilesOutput) []string { return profiles(o.InstanceProfiles) }), 3)
	wants("instance profiles of a role", collect(t, iam.NewListInstanceProfilesForRolePaginator(i.iam, &iam.ListInstanceProfilesForRoleInput{RoleName: name, MaxItems: size}), func(o *iam.ListInstanceProfilesForRoleOutput) []string { return profiles(o.InstanceProfiles) }), 4)
	wants("tags of a user", collect(t, iam.NewListUserTagsPaginator(i.iam, &iam.ListUserTagsInput{UserName: name, MaxItems: size}), func(o *iam.ListUserTagsOutput) []string { return tagged(o.Tags) }), 3)
	wants("tags of a role", collect(t, iam.NewListRoleTagsPaginator(i.iam, &iam.ListRoleTagsInput{RoleName: name, MaxItems: size}), func(o *iam.ListRoleTagsOutput) []string { return tagged(o.Tags) }), 3)
	wants("tags of a policy", collect(t, iam.NewListPolicyTagsPaginator(i.iam, &iam.ListPolicyTagsInput{PolicyArn: policy, MaxItems: size}), func(o *iam.ListPolicyTagsOutput) []string { return tagged(o.Tags) }), 3)
	wants("tags of an instance profile", collect(t, iam.NewListInstanceProfileTagsPaginator(i.iam, &iam.ListInstanceProfileTagsInput{InstanceProfileName: name, MaxItems: size}), func(o *iam.ListInstanceProfileTagsOutput) []string { return tagged(o.Tags) }), 3)
	i.testProviderTagPaginator(t, tags)

	// What nobody has.
	wants("MFA devices", collect(t, iam.NewListMFADevicesPaginator(i.iam, &iam.ListMFADevicesInput{UserName: name}), func(o *iam.ListMFADevicesOutput) []string {
		return texts(o.MFADevices, func(v *iamtypes.MFADevice) *string { return v.SerialNumber })
	}), 0)
	wants("virtual MFA devices", collect(t, iam.NewListVirtualMFADevicesPaginator(i.iam, &iam.ListVirtualMFADevicesInput{}), func(o *iam.ListVirtualMFADevicesOutput) []string {
		return texts(o.VirtualMFADevices, func(v *iamtypes.VirtualMFADevice) *string { return v.SerialNumber })
	}), 0)
	wants("SSH keys", collect(t, iam.NewListSSHPublicKeysPaginator(i.iam, &iam.ListSSHPublicKeysInput{UserName: name}), func(o *iam.ListSSHPublicKeysOutput) []string {
		return texts(o.SSHPublicKeys, func(v *iamtypes.SSHPublicKeyMetadata) *string { return v.SSHPublicKeyId })
	}), 0)
	wants("signing certificates", collect(t, iam.NewListSigningCertificatesPaginator(i.iam, &iam.ListSigningCertificatesInput{UserName: name}), func(o *iam.ListSigningCertificatesOutput) []string {
		return texts(o.Certificates, func(v *iamtypes.SigningCertificate) *string { return v.CertificateId })
	}), 0)
	wants("server certificates", collect(t, iam.NewListServerCertificatesPaginator(i.iam, &iam.ListServerCertificatesInput{}), func(o *iam.ListServerCertificatesOutput) []string {
		return texts(o.ServerCertificateMetadataList, func(v *iamtypes.ServerCertificateMetadata) *string { return v.Arn })
	}), 0)

	// What is simulated.
	simulated := func(results []iamtypes.EvaluationResult) []string {
		return texts(results, func(v *iamtypes.EvaluationResult) *string { return v.EvalActionName })
	}
	actions := []string{"ec2:DescribeVpcs", "ec2:CreateVpc", "ec2:DeleteVpc"}
	source := must(i.iam.GetUser(t.Context(), &iam.GetUserInput{UserName: name}))(t).User.Arn
	wants("simulated calls of a user", collect(t, iam.NewSimulatePrincipalPolicyPaginator(i.iam, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: source, ActionNames: actions, MaxItems: size}), func(o *iam.SimulatePrincipalPolicyOutput) []string {
		return simulated(o.EvaluationResults)
	}), 3)
	wants("simulated calls", collect(t, iam.NewSimulateCustomPolicyPaginator(i.iam, &iam.SimulateCustomPolicyInput{PolicyInputList: []string{*document}, ActionNames: actions, MaxItems: size}), func(o *iam.SimulateCustomPolicyOutput) []string {
		return simulated(o.EvaluationResults)
	}), 3)
}

// Tags of a SAML provider.
func (i *installation) testProviderTagPaginator(t *testing.T, tags []iamtypes.Tag) {
	ctx := t.Context()
	provider := must(i.iam.CreateSAMLProvider(ctx, &iam.CreateSAMLProviderInput{Name: aws.String("paged"), SAMLMetadataDocument: aws.String(samlMetadata(t)), Tags: tags}))(t).SAMLProviderArn
	wantsPages(t, "tags of a SAML provider", collect(t, iam.NewListSAMLProviderTagsPaginator(i.iam, &iam.ListSAMLProviderTagsInput{SAMLProviderArn: provider, MaxItems: aws.Int32(2)}), func(o *iam.ListSAMLProviderTagsOutput) []string {
		return texts(o.Tags, func(v *iamtypes.Tag) *string { return v.Key })
	}), 2, 3)
}

// samlMetadata tell of an identity provider, as long as AWS wants them at least.
func samlMetadata(t *testing.T) string {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example/sdk">
 <IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
  <KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>%s</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
  <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/sso"/>
 </IDPSSODescriptor>
</EntityDescriptor>%s`, base64.StdEncoding.EncodeToString(der), strings.Repeat("\n", 400))
}
