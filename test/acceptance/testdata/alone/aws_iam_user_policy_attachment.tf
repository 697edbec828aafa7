resource "aws_iam_user" "main" {
  name = "alone-user-attachment"
}

resource "aws_iam_policy" "main" {
  name   = "alone-user-attachment"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "ec2:Describe*", Resource = "*" }] })
}

resource "aws_iam_user_policy_attachment" "main" {
  user       = aws_iam_user.main.name
  policy_arn = aws_iam_policy.main.arn
}
