package acm

import (
	"context"
	"encoding/pem"
	"errors"
	"time"

	model "causeway.dev/api/model/acm"
	"causeway.dev/api/server"
	"causeway.dev/control/certificates"
	"causeway.dev/pki"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// What is done with the certificates that our own authorities have issued.
func (s *Service) privateActions() actions {
	return actions{
		"ExportCertificate": server.Operation(s.ExportCertificate),
		"RenewCertificate":  server.Operation(s.RenewCertificate),
		"RevokeCertificate": server.Operation(s.RevokeCertificate),
	}
}

// ExportCertificate returns a certificate with its key, which the passphrase
// opens: what is installed on a device.
func (s *Service) ExportCertificate(ctx context.Context, c server.Caller, in *model.ExportCertificateInput) (*model.ExportCertificateOutput, error) {
	found, err := find(s.store.Snapshot(), c, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	switch {
	case found.Type == resource.CertificateImported:
		return nil, invalid("Certificate %s was imported; only certificates that were issued here can be exported", found.ARN())
	case !found.Exportable:
		return nil, invalid("Certificate %s cannot be exported; set its option Export to ENABLED", found.ARN())
	case found.Revoked != nil:
		return nil, resource.Errorf(codeInvalidState, "Certificate %s is revoked", found.ARN())
	}
	block, _ := pem.Decode([]byte(found.PrivateKey))
	if block == nil {
		return nil, errors.New("a stored private key is not in PEM form")
	}
	key, err := pki.EncryptKey(block.Bytes, in.Passphrase)
	if err != nil {
		return nil, err
	}
	// What was exported is renewed from now on.
	err = s.change(ctx, c, in.CertificateArn, func(_ *store.Tx, v *resource.Certificate) error {
		v.Exported = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.ExportCertificateOutput{
		Certificate: str(pki.EncodePEM(found.Leaf)), CertificateChain: str(pki.EncodePEM(found.Chain...)), PrivateKey: str(string(key)),
	}, nil
}

// RenewCertificate issues a certificate anew, with a new key, before it would be
// done by itself. The one before stays valid until it expires.
func (s *Service) RenewCertificate(ctx context.Context, c server.Caller, in *model.RenewCertificateInput) (*model.RenewCertificateOutput, error) {
	found, err := find(s.store.Snapshot(), c, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	if !certificates.Renewable(s.store.Snapshot(), &found) {
		return nil, invalid("Certificate %s is not eligible for renewal: it was imported, is revoked, or is neither in use nor exported", found.ARN())
	}
	prepared, err := certificates.Prepare(s.store.Snapshot(), scopeOf(c), found.Authority, pki.KeyAlgorithm(found.KeyAlgorithm), c.Now)
	if err != nil {
		return nil, err
	}
	return nil, s.store.Update(ctx, func(tx *store.Tx) error {
		v, err := find(tx, c, in.CertificateArn)
		if err != nil {
			return err
		}
		return prepared.Renew(tx, v, s.cfg.URL, c.Now)
	})
}

// revocationReasons are ACM's names of RFC 5280's.
var revocationReasons = map[string]pki.Reason{
	model.RevocationReasonUNSPECIFIED: pki.Unspecified, model.RevocationReasonKEYCOMPROMISE: pki.KeyCompromise,
	model.RevocationReasonCACOMPROMISE: pki.CACompromise, model.RevocationReasonAFFILIATIONCHANGED: pki.AffiliationChanged,
	model.RevocationReasonSUPERCEDED: pki.Superseded, model.RevocationReasonSUPERSEDED: pki.Superseded,
	model.RevocationReasonCESSATIONOFOPERATION: pki.CessationOfOperation, model.RevocationReasonPRIVILEGEWITHDRAWN: pki.PrivilegeWithdrawn,
	model.RevocationReasonAACOMPROMISE: pki.AACompromise,
}

// RevokeCertificate ends a certificate, and those that it has replaced, for
// good. Also one that is in use: what uses it is what shall end.
func (s *Service) RevokeCertificate(ctx context.Context, c server.Caller, in *model.RevokeCertificateInput) (*model.RevokeCertificateOutput, error) {
	reason, ok := revocationReasons[val(in.RevocationReason)]
	if !ok {
		return nil, invalid("The revocation reason %s is for lists that put certificates on hold, which are not made here", val(in.RevocationReason))
	}
	err := s.change(ctx, c, in.CertificateArn, func(tx *store.Tx, v *resource.Certificate) error {
		switch {
		case v.Authority == "":
			return invalid("Certificate %s was imported; only its own authority can revoke it", v.ARN())
		case v.Revoked != nil:
			return nil
		}
		v.Revoked, v.RevocationReason = new(c.Now.UTC().Truncate(time.Millisecond)), *in.RevocationReason
		return certificates.Revoke(tx, *v, reason, c.Now)
	})
	if err != nil {
		return nil, err
	}
	return &model.RevokeCertificateOutput{CertificateArn: in.CertificateArn}, nil
}
