terraform {
  required_version = ">= 1.10"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
  # docs/agents.md shows the options of `terraform init` that complete it.
  backend "s3" {
    use_lockfile = true
    encrypt      = true
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { "cascada:project" = var.project }
  }
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}

locals {
  account    = data.aws_caller_identity.this.account_id
  arn        = "arn:${data.aws_partition.this.partition}"
  ec2        = "${local.arn}:ec2:${var.region}:${local.account}"
  parameters = "${local.arn}:ssm:${var.region}:${local.account}:parameter"
}
