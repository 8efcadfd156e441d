variable "project" {
  description = "Tag of everything that is made and of every machine; `project` of infra/agents/cloud.yaml."
  type        = string
  default     = "cascada"
  validation {
    condition     = can(regex("^[a-z0-9-]+$", var.project))
    error_message = "Lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "AWS region of the machines and of the bucket."
  type        = string
}

variable "repository" {
  description = "owner/name on GitHub; pull requests of it may assume the role that plans."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "The repository is owner/name."
  }
}

variable "states" {
  description = "Bucket of Terraform's states: it exists before, and holds that of this folder."
  type        = string
}

variable "network" {
  description = "Addresses of the machines' own network."
  type        = string
  default     = "10.20.0.0/24"
}

variable "types" {
  description = "Types of machines that the controller may start; those of infra/agents/cloud.yaml."
  type        = list(string)
  default     = ["g4dn.xlarge", "g6.xlarge", "g5.xlarge"]
}

variable "auth_parameter" {
  description = "SSM parameter with Prefect's login. It is put there by hand, so that the state holds no secret."
  type        = string
  default     = "/cascada/prefect-auth"
}

variable "budget_per_month" {
  description = "USD a month at which AWS itself writes a mail, from 80 % on."
  type        = number
}

variable "mail" {
  description = "Who gets it."
  type        = string
  sensitive   = true
}
