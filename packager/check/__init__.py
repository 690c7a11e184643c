"""Seeders: prove, mend, rebuild, take out."""
