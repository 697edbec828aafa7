package acm

import (
	"cmp"
	"context"
	"crypto/x509"
	"time"

	model "causeway.dev/api/model/acm"
	"causeway.dev/api/server"
	"causeway.dev/pki"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) importActions() actions {
	return actions{"ImportCertificate": server.Operation(s.ImportCertificate)}
}

// ImportCertificate takes a certificate with its key from elsewhere: a new one,
// or one in place of what an ARN had.
func (s *Service) ImportCertificate(ctx context.Context, c server.Caller, in *model.ImportCertificateInput) (*model.ImportCertificateOutput, error) {
	if in.CertificateArn != nil && len(in.Tags) > 0 {
		return nil, resource.Errorf(codeInvalidParameter, "Tags cannot be given with a certificate that replaces another; use AddTagsToCertificate")
	}
	tags, err := mergeTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	read, err := imported(in, c.Now)
	if err != nil {
		return nil, err
	}
	read.Meta = resource.Meta{ID: newID(), Account: c.Account, Region: c.Region, Created: c.Now.UTC().Truncate(time.Millisecond), Tags: tags}
	out := &model.ImportCertificateOutput{CertificateArn: str(read.ARN())}
	return out, s.store.Update(ctx, func(tx *store.Tx) error {
		v := read
		if in.CertificateArn != nil {
			before, err := find(tx, c, in.CertificateArn)
			if err != nil {
				return err
			}
			switch {
			case before.Type != resource.CertificateImported:
				return invalid("The certificate %s was not imported and cannot be replaced by an import", *in.CertificateArn)
			case before.KeyAlgorithm != v.KeyAlgorithm:
				return invalid("The certificate %s has a key of %s; what replaces it must have one too", *in.CertificateArn, before.KeyAlgorithm)
			}
			v.Meta = before.Meta
			out.CertificateArn = in.CertificateArn
		} else if err := s.checkLimit(tx, c); err != nil {
			return err
		}
		store.Certificates.Put(tx, v)
		return nil
	})
}

// imported reads and checks what is imported.
func imported(in *model.ImportCertificateInput, now time.Time) (resource.Certificate, error) {
	var v resource.Certificate
	own, err := pki.ParseChainPEM(in.Certificate)
	if err != nil {
		return v, invalid("The certificate field is not a valid certificate in PEM form: %v", err)
	}
	if len(own) != 1 {
		return v, invalid("The certificate field contains more than one certificate. You must specify only one certificate in this field.")
	}
	leaf := own[0]
	key, err := pki.ParseKeyPEM(in.PrivateKey)
	if err != nil {
		return v, invalid("The private key is not supported: %v", err)
	}
	if !pki.Matches(key, leaf.PublicKey) {
		return v, invalid("The private key does not belong to the certificate")
	}
	if now.Before(leaf.NotBefore) || !now.Before(leaf.NotAfter) {
		return v, invalid("The certificate is valid from %v to %v, which is not now", leaf.NotBefore.UTC(), leaf.NotAfter.UTC())
	}
	chain, err := importedChain(leaf, in.CertificateChain)
	if err != nil {
		return v, err
	}
	text, err := pki.KeyPEM(key)
	if err != nil {
		return v, err
	}
	names := leaf.DNSNames
	return resource.Certificate{
		Type: resource.CertificateImported, DomainName: cmp.Or(leaf.Subject.CommonName, first(names)), SubjectAlternativeNames: names,
		KeyAlgorithm: string(pki.AlgorithmOf(leaf.PublicKey)), Leaf: leaf.Raw, Chain: chain, PrivateKey: text,
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Imported: new(now.UTC().Truncate(time.Millisecond)),
	}, nil
}

// importedChain reads the certificates above a leaf, in any order. A certificate
// without any must have signed itself.
func importedChain(leaf *x509.Certificate, text []byte) ([][]byte, error) {
	if len(text) == 0 {
		if !pki.IsSelfSigned(leaf) {
			return nil, invalid("Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate or certificate chain.")
		}
		return nil, nil
	}
	others, err := pki.ParseChainPEM(text)
	if err != nil {
		return nil, invalid("The certificate chain is not valid: %v", err)
	}
	ordered, err := pki.OrderChain(leaf, others)
	if err != nil {
		return nil, invalid("Could not validate the certificate with the certificate chain: %v", err)
	}
	var chain [][]byte
	for _, c := range ordered {
		chain = append(chain, c.Raw)
	}
	return chain, nil
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}
