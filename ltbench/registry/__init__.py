"""Which methods there are: names to methods, and what their files say without being run."""
