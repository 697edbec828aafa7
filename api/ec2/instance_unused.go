package ec2

import (
	"context"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// unusedInstanceActions tell of what instances can have at AWS and never have here.
func (s *Service) unusedInstanceActions() actions {
	return actions{
		"DescribeInstanceEventWindows":   server.Operation(s.DescribeInstanceEventWindows),
		"DescribeLaunchTemplates":        server.Operation(s.DescribeLaunchTemplates),
		"DescribeLaunchTemplateVersions": server.Operation(s.DescribeLaunchTemplateVersions),
		"GetPasswordData":                server.Operation(s.GetPasswordData),
	}
}

const (
	codeNoLaunchTemplate     resource.Code = "InvalidLaunchTemplateId.NotFound"
	codeNoLaunchTemplateName resource.Code = "InvalidLaunchTemplateName.NotFoundException"
)

// DescribeInstanceEventWindows lists when instances may be taken down for repair: the
// host's own affair.
func (s *Service) DescribeInstanceEventWindows(_ context.Context, _ server.Caller, in *model.DescribeInstanceEventWindowsInput) (*model.DescribeInstanceEventWindowsOutput, error) {
	return &model.DescribeInstanceEventWindowsOutput{}, describeNone(
		query{"DescribeInstanceEventWindows", in.DryRun, in.InstanceEventWindowIds, in.Filters, in.MaxResults, in.NextToken}, noSuch("InvalidInstanceEventWindowID.NotFound", "event window ID"))
}

// DescribeLaunchTemplates lists templates: none can be made.
func (s *Service) DescribeLaunchTemplates(_ context.Context, _ server.Caller, in *model.DescribeLaunchTemplatesInput) (*model.DescribeLaunchTemplatesOutput, error) {
	if len(in.LaunchTemplateNames) > 0 {
		return nil, noSuch(codeNoLaunchTemplateName, "launch template")(in.LaunchTemplateNames[0])
	}
	return &model.DescribeLaunchTemplatesOutput{}, describeNone(
		query{"DescribeLaunchTemplates", in.DryRun, in.LaunchTemplateIds, in.Filters, in.MaxResults, in.NextToken}, noSuch(codeNoLaunchTemplate, "launch template"))
}

// DescribeLaunchTemplateVersions lists the versions of templates.
func (s *Service) DescribeLaunchTemplateVersions(_ context.Context, _ server.Caller, in *model.DescribeLaunchTemplateVersionsInput) (*model.DescribeLaunchTemplateVersionsOutput, error) {
	var ids []string
	switch {
	case in.LaunchTemplateName != nil:
		return nil, noSuch(codeNoLaunchTemplateName, "launch template")(*in.LaunchTemplateName)
	case in.LaunchTemplateId != nil:
		ids = one(*in.LaunchTemplateId)
	}
	return &model.DescribeLaunchTemplateVersionsOutput{}, describeNone(
		query{"DescribeLaunchTemplateVersions", in.DryRun, ids, in.Filters, in.MaxResults, in.NextToken}, noSuch(codeNoLaunchTemplate, "launch template"))
}

// GetPasswordData tells the password of an instance's administrator: there is one on
// Windows only, and the answer for others is empty.
func (s *Service) GetPasswordData(_ context.Context, c server.Caller, in *model.GetPasswordDataInput) (*model.GetPasswordDataOutput, error) {
	v, err := instances.get(s.read(c), val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	return &model.GetPasswordDataOutput{InstanceId: &v.ID, PasswordData: new(""), Timestamp: timestamp(launchTime(&v))}, checkDryRun(in.DryRun)
}
