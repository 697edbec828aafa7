resource "aws_iam_user" "main" {
  name = "alone-user-policies"
}

resource "aws_iam_user_policy" "main" {
  name   = "look"
  user   = aws_iam_user.main.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "ec2:Describe*", Resource = "*" }] })
}

resource "aws_iam_user_policies_exclusive" "main" {
  user_name    = aws_iam_user.main.name
  policy_names = [aws_iam_user_policy.main.name]
}
