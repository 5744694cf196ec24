"""The report: what a results folder says, as one HTML file that needs nothing else."""
