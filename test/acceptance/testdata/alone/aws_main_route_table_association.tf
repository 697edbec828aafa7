resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_route_table" "one" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route_table" "two" {
  vpc_id = aws_vpc.main.id
}

resource "aws_main_route_table_association" "main" {
  vpc_id         = aws_vpc.main.id
  route_table_id = var.stage == "first" ? aws_route_table.one.id : aws_route_table.two.id
}
