resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_ec2_subnet_cidr_reservation" "printers" {
  subnet_id        = aws_subnet.a.id
  cidr_block       = "10.0.1.16/28"
  reservation_type = "prefix"
}
