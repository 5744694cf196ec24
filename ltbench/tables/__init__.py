"""Tables: what a paper reports beside what the store reproduces."""
