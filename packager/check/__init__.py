"""Seeders: prove, fix, rebuild, take out."""
