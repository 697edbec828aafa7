package iam

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) samlActions() actions {
	return actions{
		"CreateSAMLProvider": server.Operation(s.CreateSAMLProvider),
		"DeleteSAMLProvider": server.Operation(s.DeleteSAMLProvider),
		"GetSAMLProvider":    server.Operation(s.GetSAMLProvider),
		"ListSAMLProviders":  server.Operation(s.ListSAMLProviders),
		"UpdateSAMLProvider": server.Operation(s.UpdateSAMLProvider),
	}
}

// providerLifetime is how long a provider is valid whose metadata don't say.
const providerLifetime = 100 // years

// findProvider returns the provider of an ARN of the account.
func findProvider(r reader, arn *string) (resource.SAMLProvider, error) {
	name, ok := strings.CutPrefix(*arn, "arn:aws:iam::"+r.scope.Account+":saml-provider/")
	if !ok {
		return resource.SAMLProvider{}, resource.Errorf(codeInvalidInput, "Invalid ARN: %s", resource.Clip(*arn))
	}
	v, ok := store.SAMLProviders.Get(r.Reader, r.scope, resource.IdentityID(name))
	if !ok || v.Name != name {
		return v, notFound("Manifest not found for arn %s", resource.Clip(*arn))
	}
	return v, nil
}

// changeProvider updates a provider in one transaction.
func (s *Service) changeProvider(ctx context.Context, c server.Caller, arn *string, f func(v *resource.SAMLProvider) error) error {
	return s.update(ctx, c, func(w writer) error {
		v, err := findProvider(w.reader, arn)
		if err != nil {
			return err
		}
		if err := f(&v); err != nil {
			return err
		}
		store.SAMLProviders.Put(w.tx, v)
		return nil
	})
}

var providerForm = regexp.MustCompile(`^[\w.-]+$`)

// CreateSAMLProvider notes an identity provider by its metadata.
func (s *Service) CreateSAMLProvider(ctx context.Context, c server.Caller, in *model.CreateSAMLProviderInput) (*model.CreateSAMLProviderOutput, error) {
	if !providerForm.MatchString(*in.Name) {
		return nil, invalid("The specified value for name is invalid. It must contain only alphanumeric characters and/or the following: ._-")
	}
	tags, err := mergeTags("TagsPerSAMLProvider", nil, in.Tags)
	if err != nil {
		return nil, err
	}
	v := resource.SAMLProvider{Meta: newMeta(c, resource.IdentityID(*in.Name), tags), Name: *in.Name, UUID: randomID(8)}
	if err := setMetadata(c, &v, *in.SAMLMetadataDocument); err != nil {
		return nil, err
	}
	if err := setEncryption(c, &v, in.AssertionEncryptionMode, in.AddPrivateKey, nil); err != nil {
		return nil, err
	}
	err = s.update(ctx, c, func(w writer) error {
		if _, taken := store.SAMLProviders.Get(w.Reader, w.scope, v.ID); taken {
			return resource.Errorf(codeExists, "Identity provider %s already exists", v.Name)
		}
		if limit := s.limits.SAMLProviders; count(w.reader, store.SAMLProviders) >= limit {
			return exceeded("SAMLProvidersPerAccount", limit)
		}
		store.SAMLProviders.Put(w.tx, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.CreateSAMLProviderOutput{SAMLProviderArn: str(v.ARN()), Tags: shownTags(v.Tags)}, nil
}

// UpdateSAMLProvider replaces a provider's metadata and keys, where given.
func (s *Service) UpdateSAMLProvider(ctx context.Context, c server.Caller, in *model.UpdateSAMLProviderInput) (*model.UpdateSAMLProviderOutput, error) {
	err := s.changeProvider(ctx, c, in.SAMLProviderArn, func(v *resource.SAMLProvider) error {
		if in.SAMLMetadataDocument != nil {
			if err := setMetadata(c, v, *in.SAMLMetadataDocument); err != nil {
				return err
			}
		}
		return setEncryption(c, v, in.AssertionEncryptionMode, in.AddPrivateKey, in.RemovePrivateKey)
	})
	return &model.UpdateSAMLProviderOutput{SAMLProviderArn: in.SAMLProviderArn}, err
}

// GetSAMLProvider shows a provider; its private keys by their ids only.
func (s *Service) GetSAMLProvider(_ context.Context, c server.Caller, in *model.GetSAMLProviderInput) (*model.GetSAMLProviderOutput, error) {
	v, err := findProvider(s.read(c), in.SAMLProviderArn)
	if err != nil {
		return nil, err
	}
	out := &model.GetSAMLProviderOutput{
		AssertionEncryptionMode: str(v.EncryptionMode), CreateDate: &v.Created, SAMLMetadataDocument: &v.Metadata,
		SAMLProviderUUID: &v.UUID, Tags: shownTags(v.Tags), ValidUntil: v.ValidUntil,
	}
	for _, k := range v.PrivateKeys {
		if k.ID != "" {
			out.PrivateKeyList = append(out.PrivateKeyList, model.SAMLPrivateKey{KeyId: &k.ID, Timestamp: &k.Created})
		}
	}
	return out, nil
}

// ListSAMLProviders lists all providers by name.
func (s *Service) ListSAMLProviders(_ context.Context, c server.Caller, _ *model.ListSAMLProvidersInput) (*model.ListSAMLProvidersOutput, error) {
	all := sorted(s.read(c), store.SAMLProviders, func(*resource.SAMLProvider) bool { return true })
	return &model.ListSAMLProvidersOutput{SAMLProviderList: mapped(all, func(v *resource.SAMLProvider) model.SAMLProviderListEntry {
		return model.SAMLProviderListEntry{Arn: str(v.ARN()), CreateDate: &v.Created, ValidUntil: v.ValidUntil}
	})}, nil
}

// DeleteSAMLProvider removes a provider.
func (s *Service) DeleteSAMLProvider(ctx context.Context, c server.Caller, in *model.DeleteSAMLProviderInput) (*model.DeleteSAMLProviderOutput, error) {
	return nil, s.update(ctx, c, func(w writer) error {
		v, err := findProvider(w.reader, in.SAMLProviderArn)
		if err != nil {
			return err
		}
		store.SAMLProviders.Delete(w.tx, w.scope, v.ID)
		return nil
	})
}

// setMetadata reads what an identity provider says of itself.
func setMetadata(c server.Caller, v *resource.SAMLProvider, document string) error {
	until, err := readMetadata(document)
	if err != nil {
		return resource.Errorf(codeInvalidInput, "Could not parse metadata: %v", err)
	}
	if until.IsZero() {
		until = now(c).AddDate(providerLifetime, 0, 0)
	}
	v.Metadata, v.ValidUntil = document, &until
	return nil
}

// The namespaces of SAML 2.0's metadata and of XML signatures.
const (
	metadataSpace  = "urn:oasis:names:tc:SAML:2.0:metadata"
	signatureSpace = "http://www.w3.org/2000/09/xmldsig#"
)

// readMetadata checks an entity descriptor (SAML 2.0 metadata section 2.3.2): the
// entity is named, it is an identity provider, and its certificates can be read.
// It returns until when the metadata are valid, zero if they don't say.
func readMetadata(document string) (until time.Time, err error) {
	d := xml.NewDecoder(strings.NewReader(document))
	var path []string
	provider, certificates := false, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return until, errors.New("the document is not well-formed XML")
		}
		switch t := token.(type) {
		case xml.Directive:
			return until, errors.New("a document type is not allowed")
		case xml.StartElement:
			path = append(path, t.Name.Local)
			if len(path) == 1 {
				if until, err = readEntity(t); err != nil {
					return until, err
				}
			}
			if t.Name == (xml.Name{Space: metadataSpace, Local: "IDPSSODescriptor"}) {
				provider = true
			}
			if t.Name == (xml.Name{Space: signatureSpace, Local: "X509Certificate"}) && slices.Contains(path, "IDPSSODescriptor") {
				var text string
				if err := d.DecodeElement(&text, &t); err != nil {
					return until, errors.New("a certificate is not text")
				}
				path = path[:len(path)-1]
				if err := readCertificate(text); err != nil {
					return until, err
				}
				certificates++
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
	switch {
	case !provider:
		return until, errors.New("there is no IDPSSODescriptor")
	case certificates == 0:
		return until, errors.New("the identity provider has no certificate")
	}
	return until, nil
}

func readEntity(t xml.StartElement) (until time.Time, err error) {
	if t.Name != (xml.Name{Space: metadataSpace, Local: "EntityDescriptor"}) {
		return until, errors.New("the document is not an EntityDescriptor")
	}
	named := false
	for _, a := range t.Attr {
		switch a.Name.Local {
		case "entityID":
			named = a.Value != ""
		case "validUntil":
			if until, err = time.Parse(time.RFC3339, a.Value); err != nil {
				return until, errors.New("validUntil is not a time")
			}
		}
	}
	if !named {
		return until, errors.New("the entity has no entityID")
	}
	return until.UTC(), nil
}

func readCertificate(text string) error {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err == nil {
		_, err = x509.ParseCertificate(der)
	}
	if err != nil {
		return errors.New("a certificate cannot be read")
	}
	return nil
}

// setEncryption changes whether assertions are encrypted, and the keys that open
// them, of which there are two at most.
func setEncryption(c server.Caller, v *resource.SAMLProvider, mode, add, remove *string) error {
	if mode != nil {
		v.EncryptionMode = *mode
	}
	if remove != nil {
		at := slices.IndexFunc(v.PrivateKeys[:], func(k resource.SAMLPrivateKey) bool { return k.ID == *remove })
		if at < 0 {
			return resource.Errorf(codeInvalidInput, "The provider has no private key %s", resource.Clip(*remove))
		}
		v.PrivateKeys[at] = resource.SAMLPrivateKey{}
	}
	if add != nil {
		if block, _ := pem.Decode([]byte(*add)); block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return resource.Errorf(codeInvalidInput, "The private key is not in PEM form")
		}
		at := slices.IndexFunc(v.PrivateKeys[:], func(k resource.SAMLPrivateKey) bool { return k.ID == "" })
		if at < 0 {
			return exceeded("PrivateKeysPerSAMLProvider", len(v.PrivateKeys))
		}
		v.PrivateKeys[at] = resource.SAMLPrivateKey{ID: "SAMLKEY" + randomID(10), PEM: *add, Created: now(c)}
	}
	if v.EncryptionMode == model.AssertionEncryptionModeTypeRequired && v.PrivateKeys == [2]resource.SAMLPrivateKey{} {
		return resource.Errorf(codeInvalidInput, "Encrypted assertions cannot be required without a private key that opens them")
	}
	return nil
}

// randomID is so many random bytes in hexadecimal.
func randomID(size int) string {
	b := make([]byte, size)
	_, _ = rand.Read(b) // crypto/rand never fails
	return strings.ToUpper(hex.EncodeToString(b))
}
