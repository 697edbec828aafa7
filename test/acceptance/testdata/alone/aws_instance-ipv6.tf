resource "aws_vpc" "main" {
  cidr_block                       = "10.0.0.0/16"
  assign_generated_ipv6_cidr_block = true
}

resource "aws_subnet" "a" {
  vpc_id          = aws_vpc.main.id
  cidr_block      = "10.0.1.0/24"
  ipv6_cidr_block = cidrsubnet(aws_vpc.main.ipv6_cidr_block, 8, 1)
}

resource "aws_instance" "counted" {
  ami                = var.image
  instance_type      = "t3.micro"
  subnet_id          = aws_subnet.a.id
  ipv6_address_count = var.stage == "first" ? 1 : 2
}

resource "aws_instance" "listed" {
  ami            = var.image
  instance_type  = "t3.micro"
  subnet_id      = aws_subnet.a.id
  ipv6_addresses = [cidrhost(aws_subnet.a.ipv6_cidr_block, 16)]
}
