resource "aws_iam_group" "main" {
  name = "alone-group-attachment"
}

resource "aws_iam_policy" "main" {
  name   = "alone-group-attachment"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "ec2:Describe*", Resource = "*" }] })
}

resource "aws_iam_group_policy_attachment" "main" {
  group      = aws_iam_group.main.name
  policy_arn = aws_iam_policy.main.arn
}
