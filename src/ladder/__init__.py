"""The CIFAR ladder: the library that the DVC stages in `stages/` call, one idea per file."""
