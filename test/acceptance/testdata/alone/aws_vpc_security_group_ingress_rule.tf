resource "aws_vpc" "main" {
  cidr_block                       = "10.0.0.0/16"
  assign_generated_ipv6_cidr_block = true
}

resource "aws_ec2_managed_prefix_list" "sites" {
  name           = "sites"
  address_family = "IPv4"
  max_entries    = 2

  entry {
    cidr = "198.51.100.0/24"
  }
}

resource "aws_ec2_managed_prefix_list" "others" {
  name           = "others"
  address_family = "IPv4"
  max_entries    = 1
}

resource "aws_security_group" "web" {
  name        = "web"
  description = "web servers"
  vpc_id      = aws_vpc.main.id
}

resource "aws_security_group" "other" {
  name   = "other"
  vpc_id = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "ipv4" {
  security_group_id = aws_security_group.web.id
  cidr_ipv4         = var.stage == "first" ? "10.0.0.0/8" : "172.16.0.0/12"
  from_port         = 80
  ip_protocol       = "tcp"
  to_port           = 8080
}

resource "aws_vpc_security_group_ingress_rule" "ipv6" {
  security_group_id = aws_security_group.web.id
  cidr_ipv6         = aws_vpc.main.ipv6_cidr_block
  ip_protocol       = var.stage == "first" ? "tcp" : "udp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "all" {
  security_group_id = aws_security_group.web.id
  cidr_ipv6         = "::/0"
  ip_protocol       = "-1"
  description       = "all, ${var.stage}"
}

resource "aws_vpc_security_group_ingress_rule" "ping" {
  security_group_id = aws_security_group.web.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "icmp"
  from_port         = 8
  to_port           = var.stage == "first" ? -1 : 0
}

resource "aws_vpc_security_group_ingress_rule" "group" {
  security_group_id            = aws_security_group.web.id
  referenced_security_group_id = var.stage == "first" ? aws_security_group.other.id : aws_security_group.web.id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_ingress_rule" "list" {
  security_group_id = aws_security_group.web.id
  prefix_list_id    = var.stage == "first" ? aws_ec2_managed_prefix_list.sites.id : aws_ec2_managed_prefix_list.others.id
  from_port         = 22
  to_port           = 22
  ip_protocol       = "tcp"
}
