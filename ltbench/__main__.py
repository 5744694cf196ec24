"""`python -m ltbench` and `torchrun -m ltbench`: what `ltbench` is."""

from ltbench.cli import main

if __name__ == "__main__":
    main()
