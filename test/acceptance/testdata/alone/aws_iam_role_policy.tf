resource "aws_iam_role" "main" {
  name = "alone-role-policy"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "main" {
  name = "look"
  role = aws_iam_role.main.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = var.stage == "first" ? "ec2:DescribeVpcs" : "ec2:DescribeSubnets", Resource = "*" }]
  })
}
