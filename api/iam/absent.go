package iam

import (
	"context"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
)

// What AWS's users and roles can have and ours can't, for clients that look for it
// before they delete them: there is none.
func (s *Service) absentActions() actions {
	return actions{
		"DeleteServerCertificate":        server.Operation(s.DeleteServerCertificate),
		"GetServerCertificate":           server.Operation(s.GetServerCertificate),
		"ListServerCertificates":         server.Operation(s.ListServerCertificates),
		"DeleteLoginProfile":             server.Operation(s.DeleteLoginProfile),
		"GetLoginProfile":                server.Operation(s.GetLoginProfile),
		"ListMFADevices":                 server.Operation(s.ListMFADevices),
		"ListSSHPublicKeys":              server.Operation(s.ListSSHPublicKeys),
		"ListServiceSpecificCredentials": server.Operation(s.ListServiceSpecificCredentials),
		"ListSigningCertificates":        server.Operation(s.ListSigningCertificates),
		"ListVirtualMFADevices":          server.Operation(s.ListVirtualMFADevices),
	}
}

// checkUser refuses the name of no user. None is who calls.
func (s *Service) checkUser(c server.Caller, name *string) error {
	name, err := callerOr(c, name)
	if err != nil {
		return err
	}
	_, err = users.get(s.read(c), name)
	return err
}

// noLoginProfile is the error for a user without a password, as all are.
func (s *Service) noLoginProfile(c server.Caller, name *string) error {
	if err := s.checkUser(c, name); err != nil {
		return err
	}
	return notFound("Login Profile for User %s cannot be found.", val(name))
}

// GetLoginProfile says that the user has no password.
func (s *Service) GetLoginProfile(_ context.Context, c server.Caller, in *model.GetLoginProfileInput) (*model.GetLoginProfileOutput, error) {
	return nil, s.noLoginProfile(c, in.UserName)
}

// DeleteLoginProfile says that the user has no password.
func (s *Service) DeleteLoginProfile(_ context.Context, c server.Caller, in *model.DeleteLoginProfileInput) (*model.DeleteLoginProfileOutput, error) {
	return nil, s.noLoginProfile(c, in.UserName)
}

// ListServerCertificates says that the account has no certificates in IAM: they are in ACM.
func (s *Service) ListServerCertificates(_ context.Context, _ server.Caller, in *model.ListServerCertificatesInput) (*model.ListServerCertificatesOutput, error) {
	return &model.ListServerCertificatesOutput{IsTruncated: new(false)}, checkPathPrefix(in.PathPrefix)
}

func noServerCertificate(name *string) error {
	return notFound("The Server Certificate with name %s cannot be found.", val(name))
}

// GetServerCertificate says that there is no such certificate.
func (s *Service) GetServerCertificate(_ context.Context, _ server.Caller, in *model.GetServerCertificateInput) (*model.GetServerCertificateOutput, error) {
	return nil, noServerCertificate(in.ServerCertificateName)
}

// DeleteServerCertificate says that there is no such certificate.
func (s *Service) DeleteServerCertificate(_ context.Context, _ server.Caller, in *model.DeleteServerCertificateInput) (*model.DeleteServerCertificateOutput, error) {
	return nil, noServerCertificate(in.ServerCertificateName)
}

// ListMFADevices says that the user has no second factor.
func (s *Service) ListMFADevices(_ context.Context, c server.Caller, in *model.ListMFADevicesInput) (*model.ListMFADevicesOutput, error) {
	return &model.ListMFADevicesOutput{IsTruncated: new(false)}, s.checkUser(c, in.UserName)
}

// ListVirtualMFADevices says that the account has no second factors.
func (s *Service) ListVirtualMFADevices(context.Context, server.Caller, *model.ListVirtualMFADevicesInput) (*model.ListVirtualMFADevicesOutput, error) {
	return &model.ListVirtualMFADevicesOutput{IsTruncated: new(false)}, nil
}

// ListSSHPublicKeys says that the user has no keys for CodeCommit.
func (s *Service) ListSSHPublicKeys(_ context.Context, c server.Caller, in *model.ListSSHPublicKeysInput) (*model.ListSSHPublicKeysOutput, error) {
	return &model.ListSSHPublicKeysOutput{IsTruncated: new(false)}, s.checkUser(c, in.UserName)
}

// ListServiceSpecificCredentials says that the user has no passwords for services.
func (s *Service) ListServiceSpecificCredentials(_ context.Context, c server.Caller, in *model.ListServiceSpecificCredentialsInput) (*model.ListServiceSpecificCredentialsOutput, error) {
	return &model.ListServiceSpecificCredentialsOutput{IsTruncated: new(false)}, s.checkUser(c, in.UserName)
}

// ListSigningCertificates says that the user has no certificates to sign with.
func (s *Service) ListSigningCertificates(_ context.Context, c server.Caller, in *model.ListSigningCertificatesInput) (*model.ListSigningCertificatesOutput, error) {
	return &model.ListSigningCertificatesOutput{IsTruncated: new(false)}, s.checkUser(c, in.UserName)
}
