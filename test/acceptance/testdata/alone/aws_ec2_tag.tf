resource "aws_customer_gateway" "site" {
  type       = "ipsec.1"
  ip_address = "192.0.2.77"
  bgp_asn    = 65000

  lifecycle { ignore_changes = [tags, tags_all] }
}

resource "aws_ec2_tag" "name" {
  resource_id = aws_customer_gateway.site.id
  key         = "Name"
  value       = "the ${var.stage}"
}
