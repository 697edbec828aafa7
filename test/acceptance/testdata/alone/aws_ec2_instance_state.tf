resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_instance" "host" {
  ami           = var.image
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.a.id
}

resource "aws_ec2_instance_state" "host" {
  instance_id = aws_instance.host.id
  state       = var.stage == "first" ? "stopped" : "running"
}
