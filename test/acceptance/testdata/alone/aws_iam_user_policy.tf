resource "aws_iam_user" "main" {
  name = "alone-user-policy"
}

resource "aws_iam_user_policy" "main" {
  name = "look"
  user = aws_iam_user.main.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = var.stage == "first" ? "ec2:DescribeVpcs" : "ec2:DescribeSubnets", Resource = "*" }]
  })
}
