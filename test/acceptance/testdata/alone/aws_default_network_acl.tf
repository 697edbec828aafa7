resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_default_network_acl" "main" {
  default_network_acl_id = aws_vpc.main.default_network_acl_id

  ingress {
    protocol   = -1
    rule_no    = 100
    action     = "allow"
    cidr_block = var.stage == "first" ? aws_vpc.main.cidr_block : "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
}
