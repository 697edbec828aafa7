package acm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	model "causeway.dev/api/model/acm"
	"causeway.dev/api/server"
	"causeway.dev/control/certificates"
	"causeway.dev/pki"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) certificateActions() actions {
	return actions{
		"DescribeCertificate":      server.Operation(s.DescribeCertificate),
		"GetCertificate":           server.Operation(s.GetCertificate),
		"ListCertificates":         server.Operation(s.ListCertificates),
		"DeleteCertificate":        server.Operation(s.DeleteCertificate),
		"UpdateCertificateOptions": server.Operation(s.UpdateCertificateOptions),
	}
}

// DescribeCertificate tells all of a certificate but its key.
func (s *Service) DescribeCertificate(_ context.Context, c server.Caller, in *model.DescribeCertificateInput) (*model.DescribeCertificateOutput, error) {
	snapshot := s.store.Snapshot()
	v, err := find(snapshot, c, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	leaf, err := pki.ParseCertificate(v.Leaf)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", v.ID, err)
	}
	a := &model.CertificateDetail{
		CertificateArn:     str(v.ARN()),
		CreatedAt:          &v.Created,
		DomainName:         str(v.DomainName),
		ExtendedKeyUsages:  extendedKeyUsages(leaf),
		ImportedAt:         v.Imported,
		InUseBy:            usersOf(snapshot, &v),
		IssuedAt:           v.Issued,
		Issuer:             str(cmp.Or(leaf.Issuer.CommonName, leaf.Issuer.String())),
		KeyAlgorithm:       str(v.KeyAlgorithm),
		KeyUsages:          keyUsages(leaf),
		NotAfter:           &v.NotAfter,
		NotBefore:          &v.NotBefore,
		Options:            options(&v),
		RenewalEligibility: eligibility(snapshot, &v),
		RevocationReason:   str(v.RevocationReason),
		RevokedAt:          v.Revoked,
		Serial:             str(serialText(leaf)),
		SignatureAlgorithm: str(signatureAlgorithm(leaf)),
		Status:             str(v.Status(c.Now)),
		Subject:            str(subjectText(leaf)),
		Type:               &v.Type,

		SubjectAlternativeNames: v.SubjectAlternativeNames,
		DomainValidationOptions: domainValidations(&v),
	}
	if v.Authority != "" && v.Type == resource.CertificatePrivate {
		a.CertificateAuthorityArn = str(resource.AuthorityARN(v.Account, v.Region, v.Authority))
	}
	if v.Renewed != nil {
		a.RenewalSummary = &model.RenewalSummary{
			RenewalStatus: str(model.RenewalStatusSUCCESS), UpdatedAt: v.Renewed, DomainValidationOptions: domainValidations(&v),
		}
	}
	return &model.DescribeCertificateOutput{Certificate: a}, nil
}

// usersOf lists the ARNs of what uses a certificate.
func usersOf(r store.Reader, v *resource.Certificate) []string {
	users := []string{}
	for _, g := range certificates.Users(r, v) {
		users = append(users, "arn:aws:ec2:"+g.Region+":"+g.Account+":customer-gateway/"+g.ID)
	}
	return users
}

func options(v *resource.Certificate) *model.CertificateOptions {
	if v.Type == resource.CertificateImported {
		return nil
	}
	return &model.CertificateOptions{CertificateTransparencyLoggingPreference: str(v.TransparencyLogging), Export: exportOption(v)}
}

func exportOption(v *resource.Certificate) *string {
	if v.Exportable {
		return str(model.CertificateExportENABLED)
	}
	return str(model.CertificateExportDISABLED)
}

func eligibility(r store.Reader, v *resource.Certificate) *string {
	if certificates.Renewable(r, v) {
		return str(model.RenewalEligibilityELIGIBLE)
	}
	return str(model.RenewalEligibilityINELIGIBLE)
}

// domainValidations are those of certificates that AWS would validate. Here
// nothing has to be proved: they have succeeded from the start, and the record
// that AWS would ask for need not be made.
func domainValidations(v *resource.Certificate) []model.DomainValidation {
	if v.Type != resource.CertificateAmazonIssued {
		return nil
	}
	var all []model.DomainValidation
	for _, name := range v.SubjectAlternativeNames {
		a := model.DomainValidation{
			DomainName: &name, ValidationDomain: &name, ValidationMethod: str(v.ValidationMethod), ValidationStatus: str(model.DomainStatusSUCCESS),
		}
		if v.ValidationMethod == model.ValidationMethodDNS {
			base := strings.TrimPrefix(name, "*.")
			sum := sha256.Sum256([]byte(v.Account + " " + base))
			a.ResourceRecord = &model.ResourceRecord{
				Name: str("_" + hex.EncodeToString(sum[:16]) + "." + base + "."), Type: str(model.RecordTypeCNAME),
				Value: str("_" + hex.EncodeToString(sum[16:]) + ".acm-validations.aws."),
			}
		}
		all = append(all, a)
	}
	return all
}

// GetCertificate returns a certificate and what leads to its root.
func (s *Service) GetCertificate(_ context.Context, c server.Caller, in *model.GetCertificateInput) (*model.GetCertificateOutput, error) {
	v, err := find(s.store.Snapshot(), c, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	return &model.GetCertificateOutput{Certificate: str(pki.EncodePEM(v.Leaf)), CertificateChain: str(pki.EncodePEM(v.Chain...))}, nil
}

// DeleteCertificate removes a certificate that nothing uses. What has it
// elsewhere goes on using it: that is what RevokeCertificate ends.
func (s *Service) DeleteCertificate(ctx context.Context, c server.Caller, in *model.DeleteCertificateInput) (*model.DeleteCertificateOutput, error) {
	return nil, s.store.Update(ctx, func(tx *store.Tx) error {
		v, err := find(tx, c, in.CertificateArn)
		if err != nil {
			return err
		}
		if users := usersOf(tx, &v); len(users) > 0 {
			return resource.Errorf(codeInUse, "Certificate %s in account %s is in use by %s", v.ARN(), v.Account, strings.Join(users[:min(len(users), 3)], ", "))
		}
		store.Certificates.Delete(tx, scopeOf(c), v.ID)
		return nil
	})
}

// UpdateCertificateOptions changes whether a certificate can be exported.
func (s *Service) UpdateCertificateOptions(ctx context.Context, c server.Caller, in *model.UpdateCertificateOptionsInput) (*model.UpdateCertificateOptionsOutput, error) {
	return nil, s.change(ctx, c, in.CertificateArn, func(_ *store.Tx, v *resource.Certificate) error {
		if v.Type == resource.CertificateImported {
			return resource.Errorf(codeInvalidState, "The options of an imported certificate cannot be changed")
		}
		setOptions(v, in.Options)
		return nil
	})
}

// setOptions takes the options that a caller names. A private certificate is
// always exportable.
func setOptions(v *resource.Certificate, o *model.CertificateOptions) {
	if o == nil {
		return
	}
	v.TransparencyLogging = cmp.Or(val(o.CertificateTransparencyLoggingPreference), v.TransparencyLogging)
	if e := val(o.Export); e != "" {
		v.Exportable = e == model.CertificateExportENABLED
	}
	v.Exportable = v.Exportable || v.Type == resource.CertificatePrivate
}

// listSize is how many certificates a page has unless the caller says.
const listSize = 1000

// keyTypesUsual are what a list shows unless the caller names kinds of keys, as
// AWS's.
var keyTypesUsual = []string{model.KeyAlgorithmRSA1024, model.KeyAlgorithmRSA2048}

// ListCertificates lists certificates, the oldest first.
func (s *Service) ListCertificates(_ context.Context, c server.Caller, in *model.ListCertificatesInput) (*model.ListCertificatesOutput, error) {
	if (in.SortBy == nil) != (in.SortOrder == nil) {
		return nil, resource.Errorf("InvalidArgsException", "SortBy and SortOrder go together")
	}
	after, err := pageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	snapshot := s.store.Snapshot()
	var found []resource.Certificate
	leaves := map[string]*x509.Certificate{}
	for v := range store.Certificates.List(snapshot, scopeOf(c)) {
		leaf, err := pki.ParseCertificate(v.Leaf)
		if err != nil {
			return nil, fmt.Errorf("read certificate %s: %w", v.ID, err)
		}
		if listed(&v, leaf, in, c.Now) {
			found, leaves[v.ID] = append(found, v), leaf
		}
	}
	descending := val(in.SortOrder) == model.SortOrderDESCENDING
	slices.SortFunc(found, func(a, b resource.Certificate) int {
		if descending {
			a, b = b, a
		}
		return strings.Compare(place(&a), place(&b))
	})
	out := &model.ListCertificatesOutput{CertificateSummaryList: []model.CertificateSummary{}}
	size := int(cmp.Or(val(in.MaxItems), listSize))
	for i := range found {
		v := &found[i]
		if order := strings.Compare(place(v), after); after != "" && (order == 0 || (order < 0) != descending) {
			continue
		}
		if len(out.CertificateSummaryList) == size {
			out.NextToken = str(base64.RawURLEncoding.EncodeToString([]byte(place(&found[i-1]))))
			break
		}
		out.CertificateSummaryList = append(out.CertificateSummaryList, summary(snapshot, v, leaves[v.ID], c.Now))
	}
	return out, nil
}

// place orders certificates by when they were created.
func place(v *resource.Certificate) string {
	return v.Created.UTC().Format("20060102150405.000") + " " + v.ID
}

func pageAfter(token *string) (string, error) {
	decoded, err := base64.RawURLEncoding.DecodeString(val(token))
	if err != nil || token != nil && !strings.Contains(string(decoded), " ") {
		return "", resource.Errorf("InvalidArgsException", "The NextToken is not one that ListCertificates gave")
	}
	return string(decoded), nil
}

// listed reports whether a list that was asked for shows a certificate.
func listed(v *resource.Certificate, leaf *x509.Certificate, in *model.ListCertificatesInput, now time.Time) bool {
	if len(in.CertificateStatuses) > 0 && !slices.Contains(in.CertificateStatuses, v.Status(now)) {
		return false
	}
	f := in.Includes
	if f == nil {
		f = &model.Filters{}
	}
	kinds := f.KeyTypes
	if len(kinds) == 0 {
		kinds = keyTypesUsual
	}
	all := func(wanted, has []string) bool {
		return !slices.ContainsFunc(wanted, func(w string) bool { return w != "ANY" && !slices.Contains(has, w) })
	}
	return slices.Contains(kinds, v.KeyAlgorithm) && val(f.ManagedBy) == "" &&
		(f.ExportOption == nil || *f.ExportOption == *exportOption(v)) &&
		all(f.KeyUsage, keyUsageNames(leaf)) && all(f.ExtendedKeyUsage, extendedKeyUsageNames(leaf))
}

func summary(r store.Reader, v *resource.Certificate, leaf *x509.Certificate, now time.Time) model.CertificateSummary {
	const namesShown = 100
	return model.CertificateSummary{
		CertificateArn:     str(v.ARN()),
		CreatedAt:          &v.Created,
		DomainName:         str(v.DomainName),
		ExportOption:       exportOption(v),
		Exported:           &v.Exported,
		ExtendedKeyUsages:  extendedKeyUsageNames(leaf),
		ImportedAt:         v.Imported,
		InUse:              new(len(certificates.Users(r, v)) > 0),
		IssuedAt:           v.Issued,
		KeyAlgorithm:       str(v.KeyAlgorithm),
		KeyUsages:          keyUsageNames(leaf),
		NotAfter:           &v.NotAfter,
		NotBefore:          &v.NotBefore,
		RenewalEligibility: eligibility(r, v),
		RevokedAt:          v.Revoked,
		Status:             str(v.Status(now)),
		Type:               &v.Type,

		HasAdditionalSubjectAlternativeNames: new(len(v.SubjectAlternativeNames) > namesShown),
		SubjectAlternativeNameSummaries:      v.SubjectAlternativeNames[:min(len(v.SubjectAlternativeNames), namesShown)],
	}
}
