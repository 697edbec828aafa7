resource "aws_customer_gateway" "site" {
  type       = "ipsec.1"
  ip_address = "192.0.2.101"
  bgp_asn    = 65000
}

resource "aws_vpn_gateway" "main" {}

resource "aws_cloudwatch_log_group" "tunnel" {
  name = "/alone/tunnel"
}

resource "aws_vpn_connection" "site" {
  type                = "ipsec.1"
  customer_gateway_id = aws_customer_gateway.site.id
  vpn_gateway_id      = aws_vpn_gateway.main.id
  static_routes_only  = true

  tunnel1_log_options {
    cloudwatch_log_options {
      log_enabled       = true
      log_group_arn     = aws_cloudwatch_log_group.tunnel.arn
      log_output_format = var.stage == "first" ? "json" : "text"
    }
  }
}
