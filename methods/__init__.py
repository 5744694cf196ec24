"""One file a method; installed as `ltbench.methods`."""

if __name__ != "ltbench.methods":
    raise ImportError("import methods as ltbench.methods; `methods` alone would be a second copy")
