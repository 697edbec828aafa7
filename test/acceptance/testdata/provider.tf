# How each stack reaches the installation: what a test gives, and all endpoints.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }
variable "region" { type = string }
variable "access_key" { type = string }
variable "secret_key" { type = string }
variable "customer_address" { type = string }
variable "image" { type = string }

variable "stage" {
  type    = string
  default = "first"
}

provider "aws" {
  region                  = var.region
  access_key              = var.access_key
  secret_key              = var.secret_key
  skip_metadata_api_check = true

  endpoints {
    acm  = var.endpoint
    ec2  = var.endpoint
    iam  = var.endpoint
    logs = var.endpoint
    sts  = var.endpoint
  }

  default_tags {
    tags = { stage = var.stage }
  }
}
