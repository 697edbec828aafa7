resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_network_acl" "main" {
  vpc_id     = aws_vpc.main.id
  subnet_ids = var.stage == "first" ? [] : [aws_subnet.a.id]

  egress {
    protocol   = "tcp"
    rule_no    = 200
    action     = "allow"
    cidr_block = "10.3.0.0/18"
    from_port  = 443
    to_port    = 443
  }

  ingress {
    protocol   = "6"
    rule_no    = 100
    action     = "allow"
    cidr_block = "10.3.0.0/18"
    from_port  = 80
    to_port    = var.stage == "first" ? 80 : 81
  }

  ingress {
    protocol        = "58"
    rule_no         = 110
    action          = "deny"
    ipv6_cidr_block = "::/0"
    icmp_type       = -1
    icmp_code       = -1
    from_port       = 0
    to_port         = 0
  }
}
