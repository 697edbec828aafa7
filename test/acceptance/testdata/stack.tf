# A VPC with an instance, joined to a site by a static VPN connection.

resource "aws_vpc" "main" {
  cidr_block           = "10.0.0.0/16"
  enable_dns_hostnames = var.stage == "second"
  tags                 = { Name = "main" }
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"

  private_dns_hostname_type_on_launch         = var.stage == "first" ? "ip-name" : "resource-name"
  enable_resource_name_dns_a_record_on_launch = var.stage != "first"
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route_table_association" "a" {
  subnet_id      = aws_subnet.a.id
  route_table_id = aws_route_table.private.id
}

resource "aws_route_table" "other" {
  vpc_id = aws_vpc.main.id
}

resource "aws_main_route_table_association" "main" {
  vpc_id         = aws_vpc.main.id
  route_table_id = var.stage == "first" ? aws_route_table.private.id : aws_route_table.other.id
}

data "aws_customer_gateway" "site" { id = aws_customer_gateway.site.id }

data "aws_vpn_gateway" "main" { id = aws_vpn_gateway_attachment.main.vpn_gateway_id }

data "aws_key_pair" "admin" { key_name = aws_key_pair.admin.key_name }

resource "aws_security_group" "from_site" {
  name        = "from-site"
  description = "ICMP and SSH from the site"
  vpc_id      = aws_vpc.main.id

  ingress {
    description = "ping, ${var.stage}"
    protocol    = "icmp"
    from_port   = -1
    to_port     = -1
    cidr_blocks = ["192.168.0.0/16"]
  }

  egress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "by_rules" {
  name        = "by-rules"
  description = "rules as resources of their own"
  vpc_id      = aws_vpc.main.id
}

resource "aws_security_group_rule" "ssh" {
  type              = "ingress"
  security_group_id = aws_security_group.by_rules.id
  protocol          = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_blocks       = ["192.168.0.0/16"]
  description       = "SSH, ${var.stage}"
}

resource "aws_vpc_security_group_ingress_rule" "rdp" {
  security_group_id = aws_security_group.by_rules.id
  ip_protocol       = "tcp"
  from_port         = 3389
  to_port           = var.stage == "first" ? 3389 : 3390
  cidr_ipv4         = "192.168.0.0/16"
}

resource "aws_vpc_security_group_egress_rule" "to_the_other" {
  security_group_id            = aws_security_group.by_rules.id
  ip_protocol                  = "-1"
  referenced_security_group_id = aws_security_group.from_site.id
  description                  = var.stage
}

resource "aws_default_network_acl" "main" {
  default_network_acl_id = aws_vpc.main.default_network_acl_id

  ingress {
    rule_no    = 50
    action     = "deny"
    protocol   = "tcp"
    from_port  = 23
    to_port    = var.stage == "first" ? 23 : 24
    cidr_block = "0.0.0.0/0"
  }

  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    from_port  = 0
    to_port    = 0
    cidr_block = "0.0.0.0/0"
  }

  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    from_port  = 0
    to_port    = 0
    cidr_block = "0.0.0.0/0"
  }

  lifecycle {
    ignore_changes = [subnet_ids]
  }
}

resource "aws_network_acl" "a" {
  vpc_id     = aws_vpc.main.id
  subnet_ids = [aws_subnet.a.id]

  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "icmp"
    icmp_type  = 8
    icmp_code  = -1
    from_port  = 0
    to_port    = 0
    cidr_block = "192.168.0.0/16"
  }

  ingress {
    rule_no         = 110
    action          = var.stage == "first" ? "deny" : "allow"
    protocol        = "-1"
    from_port       = 0
    to_port         = 0
    ipv6_cidr_block = "::/0"
  }

  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "icmp"
    icmp_type  = 0
    icmp_code  = 0
    from_port  = 0
    to_port    = 0
    cidr_block = "192.168.0.0/16"
  }
}

resource "aws_network_acl" "by_rules" {
  vpc_id = aws_vpc.main.id
}

resource "aws_network_acl_rule" "web" {
  network_acl_id = aws_network_acl.by_rules.id
  rule_number    = 10
  egress         = false
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = "192.168.0.0/16"
  from_port      = 80
  to_port        = 81
}

resource "aws_iam_role" "host" {
  name = "host"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_instance_profile" "first" {
  name = "first"
  role = aws_iam_role.host.name
}

resource "aws_iam_instance_profile" "second" {
  name = "second"
  role = aws_iam_role.host.name
}

data "aws_iam_instance_profile" "first" {
  name = aws_iam_instance_profile.first.name
}

data "aws_iam_instance_profiles" "host" {
  role_name  = aws_iam_role.host.name
  depends_on = [aws_iam_instance_profile.first, aws_iam_instance_profile.second]
}

resource "aws_instance" "host" {
  ami                    = var.image
  iam_instance_profile   = var.stage == "first" ? aws_iam_instance_profile.first.name : aws_iam_instance_profile.second.name
  instance_type          = var.stage == "first" ? "t3.micro" : "t3.small"
  subnet_id              = aws_subnet.a.id
  private_ip             = "10.0.1.10"
  vpc_security_group_ids = [aws_security_group.from_site.id]
  key_name               = aws_key_pair.admin.key_name
  user_data              = "#!/bin/sh\necho made by ${var.stage}\n"

  private_dns_name_options {
    hostname_type                     = "resource-name"
    enable_resource_name_dns_a_record = var.stage != "first"
  }
}

resource "aws_key_pair" "admin" {
  key_name   = "admin"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINGgsAn0wHFPr5m9aVR1oNy/wG6eKW07wpWO2t1/QCsz admin@example.com"
}

resource "aws_ec2_instance_state" "router" {
  instance_id = aws_instance.router.id
  state       = var.stage == "first" ? "running" : "stopped"
}

resource "aws_network_interface" "router" {
  subnet_id         = aws_subnet.a.id
  private_ips       = var.stage == "first" ? ["10.0.1.20"] : ["10.0.1.20", "10.0.1.21"]
  source_dest_check = false
}

resource "aws_instance" "router" {
  ami           = var.image
  instance_type = "t3.micro"

  network_interface {
    device_index         = 0
    network_interface_id = aws_network_interface.router.id
  }
}

resource "aws_customer_gateway" "site" {
  type       = "ipsec.1"
  ip_address = var.customer_address
  bgp_asn    = 65000
}

resource "aws_vpn_gateway" "main" {}

resource "aws_vpn_gateway_attachment" "main" {
  vpc_id         = aws_vpc.main.id
  vpn_gateway_id = aws_vpn_gateway.main.id
}

resource "aws_vpn_gateway_route_propagation" "private" {
  vpn_gateway_id = aws_vpn_gateway_attachment.main.vpn_gateway_id
  route_table_id = aws_route_table.private.id
}

resource "aws_vpn_connection" "site" {
  type                  = "ipsec.1"
  customer_gateway_id   = aws_customer_gateway.site.id
  vpn_gateway_id        = aws_vpn_gateway.main.id
  static_routes_only    = true
  tunnel1_preshared_key = "chosen.by.terraform.1"

  tunnel2_ike_versions            = ["ikev2"]
  tunnel2_phase1_lifetime_seconds = var.stage == "first" ? 28800 : 14400
  tunnel2_dpd_timeout_seconds     = var.stage == "first" ? 30 : 40
}

resource "aws_vpn_connection_route" "site" {
  vpn_connection_id      = aws_vpn_connection.site.id
  destination_cidr_block = "192.168.0.0/16"
}

# A second site, with a certificate in place of keys and without a fixed address.

data "aws_caller_identity" "current" {}

resource "aws_acm_certificate" "branch" {
  domain_name               = "branch.example.com"
  key_algorithm             = "EC_prime256v1"
  certificate_authority_arn = "arn:aws:acm-pca:${var.region}:${data.aws_caller_identity.current.account_id}:certificate-authority/ecdsa"
}

resource "aws_acm_certificate" "web" {
  domain_name       = "www.example.com"
  key_algorithm     = "EC_prime256v1"
  validation_method = "DNS"

  options {
    certificate_transparency_logging_preference = var.stage == "first" ? "ENABLED" : "DISABLED"
  }

  lifecycle { create_before_destroy = true }
}

resource "aws_customer_gateway" "branch" {
  type            = "ipsec.1"
  bgp_asn         = "65001"
  certificate_arn = aws_acm_certificate.branch.arn
}

resource "aws_acm_certificate_validation" "web" {
  certificate_arn = aws_acm_certificate.web.arn
}

# Its routes are dynamic. It is given another gateway, and other networks, later.
resource "aws_vpn_connection" "branch" {
  type                    = "ipsec.1"
  customer_gateway_id     = var.stage == "first" ? aws_customer_gateway.branch.id : aws_customer_gateway.moved.id
  vpn_gateway_id          = aws_vpn_gateway_attachment.main.vpn_gateway_id
  local_ipv4_network_cidr = var.stage == "first" ? "0.0.0.0/0" : "172.16.0.0/16"
}

resource "aws_customer_gateway" "moved" {
  type            = "ipsec.1"
  bgp_asn         = "65002"
  certificate_arn = aws_acm_certificate.branch.arn
}

data "aws_acm_certificate" "web" {
  domain    = aws_acm_certificate_validation.web.certificate_arn == "" ? "" : "www.example.com"
  statuses  = ["ISSUED"]
  key_types = ["EC_prime256v1"]
}
