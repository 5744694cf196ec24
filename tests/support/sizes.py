"""The size of a network."""


def parameters_in(module):
    """Return the number of a module's parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
