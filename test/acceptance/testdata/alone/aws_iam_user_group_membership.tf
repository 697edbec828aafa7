resource "aws_iam_user" "main" {
  name = "alone-memberships"
}

resource "aws_iam_group" "main" {
  name = "alone-one"
}

resource "aws_iam_group" "two" {
  name = "alone-two"
}

resource "aws_iam_user_group_membership" "main" {
  user   = aws_iam_user.main.name
  groups = var.stage == "first" ? [aws_iam_group.main.name] : [aws_iam_group.main.name, aws_iam_group.two.name]
}
