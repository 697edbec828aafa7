resource "aws_iam_group" "main" {
  name = "alone-group-${var.stage}"
  path = var.stage == "first" ? "/" : "/users/"
}
