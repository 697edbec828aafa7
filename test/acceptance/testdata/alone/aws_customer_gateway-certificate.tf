data "aws_caller_identity" "current" {}

resource "aws_acm_certificate" "site" {
  domain_name               = "site.example.com"
  certificate_authority_arn = "arn:aws:acm-pca:${var.region}:${data.aws_caller_identity.current.account_id}:certificate-authority/ecdsa"
}

resource "aws_customer_gateway" "site" {
  type            = "ipsec.1"
  bgp_asn         = 65000
  certificate_arn = aws_acm_certificate.site.arn
}
