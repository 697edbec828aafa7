data "aws_caller_identity" "current" {}

resource "aws_acm_certificate" "site" {
  domain_name               = "connected.example.com"
  certificate_authority_arn = "arn:aws:acm-pca:${var.region}:${data.aws_caller_identity.current.account_id}:certificate-authority/ecdsa"
}

resource "aws_customer_gateway" "site" {
  type            = "ipsec.1"
  bgp_asn         = 65000
  certificate_arn = aws_acm_certificate.site.arn
}

resource "aws_vpn_gateway" "main" {}

resource "aws_vpn_connection" "site" {
  type                = "ipsec.1"
  customer_gateway_id = aws_customer_gateway.site.id
  vpn_gateway_id      = aws_vpn_gateway.main.id
  static_routes_only  = true

  tunnel1_dpd_timeout_seconds = var.stage == "first" ? 30 : 40
}
