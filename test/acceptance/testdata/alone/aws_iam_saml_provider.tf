resource "aws_iam_saml_provider" "idp" {
  name                   = "alone"
  saml_metadata_document = <<-EOT
    <?xml version="1.0"?>
    <md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com/saml" validUntil="${var.stage == "first" ? 2090 : 2091}-01-02T03:04:05Z">
      <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
        <md:KeyDescriptor use="signing">
          <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">
            <ds:X509Data>
              <ds:X509Certificate>
                MIIBijCCATGgAwIBAgIUGcMssngwS8BspnVPhfTeGwhBOPAwCgYIKoZIzj0EAwIw
                GjEYMBYGA1UEAwwPaWRwLmV4YW1wbGUuY29tMCAXDTI2MTEyMzAxNDk1N1oYDzIx
                MjYxMDMwMDE0OTU3WjAaMRgwFgYDVQQDDA9pZHAuZXhhbXBsZS5jb20wWTATBgcq
                hkjOPQIBBggqhkjOPQMBBwNCAASEDk0V6eYIGH7JH75+BCGCB8iSG0JsECAIUfQO
                VjaozdcmRMCYlSQKE4jfl7lQ3n6LV9HFagh9Co4lBqj2NOdyo1MwUTAdBgNVHQ4E
                FgQUbhbZf26zO/oGtasm1gGb8473y5swHwYDVR0jBBgwFoAUbhbZf26zO/oGtasm
                1gGb8473y5swDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBpt0HV
                Ng7f105D0CBEk+RjOgYmMZG68BO5+DhZTbuzlQIgOJLxd2kkUDLv407ec13MB5mf
                mLvi9pgch6OnauzvfwQ=
              </ds:X509Certificate>
            </ds:X509Data>
          </ds:KeyInfo>
        </md:KeyDescriptor>
        <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/>
      </md:IDPSSODescriptor>
    </md:EntityDescriptor>
  EOT
}
