resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

# Its own end detaches it from its VPC once more, which has to be there still.
resource "aws_internet_gateway" "main" {
  depends_on = [aws_vpc.main]
}

resource "aws_internet_gateway_attachment" "main" {
  vpc_id              = aws_vpc.main.id
  internet_gateway_id = aws_internet_gateway.main.id
}
