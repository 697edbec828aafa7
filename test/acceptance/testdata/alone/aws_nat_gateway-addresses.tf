resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_eip" "one" {}

resource "aws_eip" "two" {}

resource "aws_eip" "three" {}

resource "aws_nat_gateway" "main" {
  allocation_id            = aws_eip.one.id
  subnet_id                = aws_subnet.a.id
  secondary_allocation_ids = var.stage == "first" ? [aws_eip.two.id] : [aws_eip.three.id]
  depends_on               = [aws_internet_gateway.main]
}
