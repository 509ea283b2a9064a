"""Terraform on one machine without its registry: real schemas, a provider that serves them, value rules; no cloud."""
