"""Figures: what a paper reports beside what the store reproduces, as PDF, SVG, PNG and CSV."""
