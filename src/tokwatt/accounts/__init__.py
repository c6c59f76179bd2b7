"""Assumption sets, the paper's cases and headlines, and how sure they are."""
